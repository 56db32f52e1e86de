"""embed: run the frozen base once over every image.

In:  data/prepared, models/backbone.weights.h5, backbone.name, backbone.cache_at, backbone.engine.
Out: data/features/pooled: pooled features, float32 (channels,) per image;
     data/features/activations: input activations of layer cache_at, or of the last layer before it
     that has a single input tensor.

The rows are in the order of data/prepared/images.csv, whatever the split.
"""

from pathlib import Path

from tench.core.files import replace_folder
from tench.core.params import Params, load_params
from tench.core.paths import BACKBONE, CACHED_FEATURES, POOLED_FEATURES, PREPARED_INDEX
from tench.data.index import read_index
from tench.run.resume import resume_folder
from tench.run.runner import run_stage


def write_features(params: Params, work: Path) -> str:
    """Write the features of all images, with checkpoints in `work`; return the engine's name."""
    from tench.model.embed.embed_images import embed_images
    from tench.model.embed.engine import open_engine
    from tench.model.network.backbone import cache_cut, load_backbone
    from tench.model.network.frozen_base import build_frozen_base

    name = params.backbone.name
    backbone = load_backbone(BACKBONE, name, params.data.image_size)
    cut = cache_cut(backbone, params.backbone.cache_at)
    frozen_base = build_frozen_base(backbone, name, cut, pooled=True)
    outputs = [CACHED_FEATURES.name, POOLED_FEATURES.name]
    with open_engine(frozen_base, params.backbone.engine) as engine:
        embed_images(read_index(PREPARED_INDEX), engine, work, outputs)
    for folder in (CACHED_FEATURES, POOLED_FEATURES):
        replace_folder(work / folder.name, folder)
    return engine.name


def main() -> dict[str, str]:
    with resume_folder("embed") as work:
        return {"engine": write_features(load_params(), work)}


if __name__ == "__main__":
    run_stage(main, [POOLED_FEATURES, CACHED_FEATURES])
