"""embed: run the frozen backbone over every picture, once.

In:  data/prepared, models/backbone.weights.h5, backbone.name, backbone.tap_at, backbone.engine.
Out: data/features/pooled: the pooled features, float32 (channels,) a picture;
     data/features/tapped: the activations entering layer tap_at, or the last layer before it that
     a single tensor enters. Rows in the order of data/prepared/pictures.csv, whatever the split.
"""

from pathlib import Path

from tench.console.stage import run_stage
from tench.core.files import take_place
from tench.core.params import Params, load_params
from tench.core.paths import BACKBONE, PICTURES, POOLED, TAPPED
from tench.core.unfinished import unfinished
from tench.pictures.index import read_index


def embed_pictures(params: Params, work: Path) -> str:
    """Write the features of all pictures; return the name of the engine."""
    from tench.embedding.embed import embed_all
    from tench.embedding.engine import open_engine
    from tench.network.backbone import load_backbone, tapped_cut
    from tench.network.trunk import build_trunk

    name = params.backbone.name
    backbone = load_backbone(BACKBONE, name, params.data.image_size)
    trunk = build_trunk(backbone, name, tapped_cut(backbone, params.backbone.tap_at), pooled=True)
    with open_engine(trunk, params.backbone.engine) as engine:
        embed_all(read_index(PICTURES), engine, work, [TAPPED.name, POOLED.name])
    for folder in (TAPPED, POOLED):
        take_place(work / folder.name, folder)
    return engine.name


def main() -> dict[str, str]:
    with unfinished("embed") as work:
        return {"engine": embed_pictures(load_params(), work)}


if __name__ == "__main__":
    run_stage(main, [POOLED, TAPPED])
