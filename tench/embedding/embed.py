"""Prepared pictures through a trunk into shards, all of them once, in the index's order."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tench.console.progress import progress
from tench.core.names import SPLITS
from tench.core.parallel import in_threads
from tench.core.params import Params
from tench.core.paths import TAPPED
from tench.embedding.engine import Engine, open_engine
from tench.embedding.sharing import kept, name_of, store
from tench.network.backbone import tapped_cut
from tench.network.trunk import build_trunk
from tench.pictures.checked import read_checked
from tench.pictures.index import Row, of_split
from tench.pictures.shards import ROWS, NewShard, new_folder, new_shard


def embed(pictures: Sequence[Row], engine: Engine, folders: Sequence[Path], label: str) -> None:
    """Write the trunk's outputs for `pictures`, in their order, as shards: one folder an output.

    Args:
        pictures: rows of the index.
        engine: the trunk.
        folders: where the shards of each output go.
        label: of the progress bar.
    """
    with ExitStack() as whole, progress(None, label, len(pictures)) as bar:
        parts = [whole.enter_context(new_folder(folder, pictures)) for folder in folders]
        for start in range(0, len(pictures), ROWS):
            rows = pictures[start : start + ROWS]
            with ExitStack() as opened:
                shards = [
                    opened.enter_context(
                        new_shard(part, start // ROWS, (len(rows), *shape), np.float32)
                    )
                    for part, shape in zip(parts, engine.row_shapes, strict=True)
                ]
                starts = range(0, len(rows), engine.batch)
                for done in in_threads(partial(embed_batch, rows, engine, shards), starts):
                    bar.update(done)


def embed_batch(rows: Sequence[Row], engine: Engine, shards: Sequence[NewShard], start: int) -> int:
    """Write the rows of one batch from `start` on; return how many pictures it had."""
    batch = rows[start : start + engine.batch]
    outputs = engine.forward(np.stack([read_checked(row) for row in batch]))
    for shard, output in zip(shards, outputs, strict=True):
        shard.write(start, output)
    return len(batch)


@contextmanager
def activations(backbone: Any, cut: int, params: Params, rows: Sequence[Row]) -> Iterator[Path]:
    """The folder with the activations entering layer `cut`, a folder for each split: what the
    stage embed stored if it tapped there, else what an experiment before made, or this one now.
    Raises TenchError.

    Args:
        backbone: with the weights that embed had.
        cut: number of a layer.
        params: of the run.
        rows: the whole index.
    """
    if cut == tapped_cut(backbone, params.backbone.tap_at):
        yield TAPPED
        return

    def make(folder: Path) -> None:
        trunk = build_trunk(backbone, params.backbone.name, cut)
        with open_engine(trunk, params.backbone.engine) as engine:
            for split in SPLITS:
                embed(of_split(rows, split), engine, [folder / split], f"embed {split}")

    with kept(store() / name_of(cut), make) as folder:
        print(f"activations entering layer {cut}: {folder}")
        yield folder
