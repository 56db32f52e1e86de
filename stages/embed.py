"""embed: run the frozen backbone over every picture, once.

In:  data/prepared, models/backbone.weights.h5, backbone.tap_at, backbone.engine.
Out: data/features/pooled/{train,val,test}: the pooled features, float32 (1280,) a picture;
     data/features/tapped/{train,val,test}: the activations entering layer tap_at, or the last layer
     before it that a single tensor enters. Rows in the index's order.
"""

from pathlib import Path

from tench.cli import run_stage
from tench.index import FOLDER, SPLITS, of_split, read_index
from tench.params import Params, load_params

FEATURES = Path("data/features")


def embed_splits(params: Params) -> None:
    """Write the features of all pictures."""
    from tench.backbone import build_trunk, cut_at, load_backbone
    from tench.embedding import embed, make_engine

    backbone = load_backbone(Path("models/backbone.weights.h5"), params.data.image_size)
    trunk = build_trunk(backbone, cut_at(backbone, params.backbone.tap_at), pooled=True)
    engine = make_engine(trunk, params.backbone.engine)
    rows = read_index()
    for split in SPLITS:
        pictures = [FOLDER / row.path for row in of_split(rows, split)]
        folders = [FEATURES / "tapped" / split, FEATURES / "pooled" / split]
        embed(pictures, engine, folders, f"embed {split}")


def main() -> None:
    embed_splits(load_params())


if __name__ == "__main__":
    run_stage(main)
