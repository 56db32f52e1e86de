"""embed: run the frozen backbone over every picture, once.

In:  data/prepared, models/backbone.weights.h5, backbone.name, backbone.tap_at, backbone.engine.
Out: data/features/pooled/{train,val,test}: the pooled features, float32 (channels,) a picture;
     data/features/tapped/{train,val,test}: the activations entering layer tap_at, or the last layer
     before it that a single tensor enters. Rows in the index's order.
"""

from tench.console.stage import run_stage
from tench.core.names import SPLITS
from tench.core.params import Params, load_params
from tench.core.paths import BACKBONE, POOLED, TAPPED
from tench.pictures.index import of_split, read_index


def embed_splits(params: Params) -> str:
    """Write the features of all pictures; return the name of the engine."""
    from tench.embedding.embed import embed
    from tench.embedding.engine import open_engine
    from tench.network.backbone import load_backbone, tapped_cut
    from tench.network.trunk import build_trunk

    name = params.backbone.name
    backbone = load_backbone(BACKBONE, name, params.data.image_size)
    trunk = build_trunk(backbone, name, tapped_cut(backbone, params.backbone.tap_at), pooled=True)
    rows = read_index()
    with open_engine(trunk, params.backbone.engine) as engine:
        for split in SPLITS:
            folders = [TAPPED / split, POOLED / split]
            embed(of_split(rows, split), engine, folders, f"embed {split}")
        return engine.name


def main() -> dict[str, str]:
    return {"engine": embed_splits(load_params())}


if __name__ == "__main__":
    run_stage(main, [POOLED, TAPPED])
