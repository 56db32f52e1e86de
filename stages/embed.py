"""embed: run the frozen backbone over every image, once.

In:  data/prepared, models/backbone.weights.h5, backbone.name, backbone.cache_at, backbone.engine.
Out: data/features/pooled: the pooled features, float32 (channels,) an image;
     data/features/activations: the activations entering layer cache_at, or the last layer before it that
     a single tensor enters. Rows in the order of data/prepared/images.csv, whatever the split.
"""

from pathlib import Path

from tench.core.files import replace_folder
from tench.core.params import Params, load_params
from tench.core.paths import BACKBONE, CACHED_FEATURES, POOLED_FEATURES, PREPARED_INDEX
from tench.data.index import read_index
from tench.run.resume import resume_folder
from tench.run.runner import run_stage


def write_features(params: Params, work: Path) -> str:
    """Write the features of all images; return the name of the engine."""
    from tench.model.embed.embed_images import embed_images
    from tench.model.embed.engine import open_engine
    from tench.model.network.backbone import cache_cut, load_backbone
    from tench.model.network.frozen_base import build_frozen_base

    name = params.backbone.name
    backbone = load_backbone(BACKBONE, name, params.data.image_size)
    trunk = build_frozen_base(
        backbone, name, cache_cut(backbone, params.backbone.cache_at), pooled=True
    )
    with open_engine(trunk, params.backbone.engine) as engine:
        embed_images(
            read_index(PREPARED_INDEX), engine, work, [CACHED_FEATURES.name, POOLED_FEATURES.name]
        )
    for folder in (CACHED_FEATURES, POOLED_FEATURES):
        replace_folder(work / folder.name, folder)
    return engine.name


def main() -> dict[str, str]:
    with resume_folder("embed") as work:
        return {"engine": write_features(load_params(), work)}


if __name__ == "__main__":
    run_stage(main, [POOLED_FEATURES, CACHED_FEATURES])
