"""weights: fetch, verify and store the weights of the backbone.

In:  backbone.name, backbone.weights, seed (for random weights).
Out: models/backbone.weights.h5: the backbone without its top.
"""

from pathlib import Path

from tench.core import paths
from tench.core.names import PRETRAINED_SIZES
from tench.core.params import load_params
from tench.model.weights.download import arrays_sha256, fetch_checkpoint
from tench.model.weights.keras_applications import IMAGENET_SIZE, load_imagenet_backbone
from tench.run.runner import run_stage


def obtain_backbone(name: str, weights: str, seed: int, out: Path) -> str:
    """Write the weights of the backbone `name` to `out`.

    Args:
        name: backbone.name.
        weights: backbone.weights.
        seed: for random weights.
        out: a .weights.h5 file.

    Returns:
        SHA-256 over the arrays.

    Raises:
        TenchError: the weights cannot be fetched or do not fit the backbone.
    """
    if (name, weights) == ("MobileNetV2", "imagenet"):
        weights = "imagenet-224"
    # before Keras is imported, which takes seconds: fetching may fail
    fetched = fetch_checkpoint(weights) if weights in PRETRAINED_SIZES else None
    from tench.model.network.backbone import build_backbone, load_backbone, weight_arrays
    from tench.model.network.keras_setup import keras
    from tench.model.network.save import save_weights

    keras.utils.set_random_seed(seed)
    if weights.endswith(".weights.h5"):
        backbone = load_backbone(Path(weights), name, IMAGENET_SIZE)
    elif weights == "imagenet":
        backbone = load_imagenet_backbone(name)
    else:
        backbone = build_backbone(name, IMAGENET_SIZE)
    if fetched:
        backbone.set_weights(fetched)
    save_weights(backbone, out)
    return arrays_sha256(weight_arrays(backbone))


def main() -> None:
    params = load_params()
    name, weights = params.backbone.name, params.backbone.weights
    print(f"{name} {weights}: {obtain_backbone(name, weights, params.seed, paths.BACKBONE)}")


if __name__ == "__main__":
    run_stage(main, [paths.BACKBONE])
