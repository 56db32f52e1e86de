"""weights: obtain the backbone once and make it an artifact like any other.

In:  backbone.weights (and, where it is `random`, seed).
Out: models/backbone.weights.h5, MobileNetV2 without its top, verified.
"""

import tempfile
from pathlib import Path

from tench.cli import TenchError, run_stage
from tench.params import load_params
from tench.weights import digest, fetch, read_hdf5, verify

OUT = Path("models/backbone.weights.h5")
SIZES = {"imagenet-224": 224, "imagenet-160": 160}  # pixels the checkpoints were trained at


def obtain(weights: str, seed: int, out: Path) -> str:
    """Write the backbone that `weights` names to `out`; return its digest. Raises TenchError."""
    if weights.endswith(".weights.h5") and not Path(weights).is_file():
        raise TenchError(f"{weights}: no such file (backbone.weights)")
    size = SIZES.get(weights)
    with tempfile.TemporaryDirectory() as folder:
        # before the seconds that importing Keras takes: it may well fail
        fetched = fetch(size, Path(folder)) if size else None
        from tench.backbone import build_backbone, load_backbone, weight_arrays
        from tench.runtime import keras

        keras.utils.set_random_seed(seed)
        if weights.endswith(".weights.h5"):
            backbone = load_backbone(Path(weights), 224)
        else:
            backbone = build_backbone(224)
        if size and fetched:
            arrays = read_hdf5(fetched, {one.name for one in backbone.layers})
            verify(arrays, size)
            backbone.set_weights(arrays)
    out.parent.mkdir(exist_ok=True)
    backbone.save_weights(out)
    return digest(weight_arrays(backbone))


def main() -> None:
    params = load_params()
    print(
        f"backbone {params.backbone.weights}: {obtain(params.backbone.weights, params.seed, OUT)}"
    )


if __name__ == "__main__":
    run_stage(main)
