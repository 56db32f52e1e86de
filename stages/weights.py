"""weights: obtain the backbone once and make it an artifact like any other.

In:  backbone.name, backbone.weights (and, where it is `random`, seed).
Out: models/backbone.weights.h5, the backbone without its top, verified.
"""

from pathlib import Path

from tench.console.stage import run_stage
from tench.core import paths
from tench.core.names import CHECKPOINTS
from tench.core.params import load_params
from tench.sources.checkpoints import digest, fetch_checkpoint
from tench.sources.official import SIZE, official_backbone


def obtain(name: str, weights: str, seed: int, out: Path) -> str:
    """Write the backbone `name` with its `weights` to `out`; return their digest. Raises
    TenchError."""
    if (name, weights) == ("MobileNetV2", "imagenet"):
        weights = "imagenet-224"
    # before the seconds that importing Keras takes: it may well fail
    fetched = fetch_checkpoint(weights) if weights in CHECKPOINTS else None
    from tench.network.backbone import build_backbone, load_backbone, weight_arrays
    from tench.network.runtime import keras
    from tench.network.saving import save_weights

    keras.utils.set_random_seed(seed)
    if weights.endswith(".weights.h5"):
        backbone = load_backbone(Path(weights), name, SIZE)
    elif weights == "imagenet":
        backbone = official_backbone(name)
    else:
        backbone = build_backbone(name, SIZE)
    if fetched:
        backbone.set_weights(fetched)
    save_weights(backbone, out)
    return digest(weight_arrays(backbone))


def main() -> None:
    params = load_params()
    name, weights = params.backbone.name, params.backbone.weights
    print(f"{name} {weights}: {obtain(name, weights, params.seed, paths.BACKBONE)}")


if __name__ == "__main__":
    run_stage(main, [paths.BACKBONE])
