"""Prepared images through a trunk into shards, all of them once, in the index's order."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from tench.core.files import file_sha256, has_sha256
from tench.core.parallel import map_in_threads
from tench.core.paths import PREPARED
from tench.core.zip_packs import read_from_pack
from tench.data.index import Row
from tench.data.store.prepared_images import read_prepared
from tench.data.store.shards import (
    SHARD_ROWS,
    create_shard,
    in_feature_order,
    shard_file,
    write_manifest,
)
from tench.model.embed.engine import Engine
from tench.model.embed.litert import Features, Forward, PreparedFiles
from tench.run.disk import check_free_space
from tench.run.executor.dispatch import open_executor, uses_cluster
from tench.run.progress import progress_bar
from tench.run.resume import append_entry, read_entries, truncate_journal

BATCHES_PER_TURN = 32  # batches that are decoded, and then run

MapBatches = Callable[[Iterable[Sequence[Row]]], Iterator[Features | None]]


def embed_images(rows: Sequence[Row], engine: Engine, work: Path, names: Sequence[str]) -> None:
    """Embed all images, in the order of their places, into `work`; and go on there where an
    earlier call was stopped that had the same images and trunk.

    Args:
        rows: the whole index.
        engine: the trunk.
        work: where the shards of an output go, into NAME.
        names: of the trunk's outputs.
    """
    row = sum(4 * math.prod(shape) for shape in engine.row_shapes)  # bytes
    there = sum(file.stat().st_size for file in work.rglob("*.npy"))
    check_free_space(len(rows) * row - there, work, "features")
    folders = [work / name for name in names]
    write_feature_shards(in_feature_order(rows), engine, folders, work / "shards.journal")


def write_feature_shards(
    images: Sequence[Row], engine: Engine, folders: Sequence[Path], journal: Path
) -> None:
    """Write the trunk's outputs for `images`, in their order, as shards: one folder an output.

    Args:
        images: rows of the index.
        engine: the trunk.
        folders: where the shards of each output go.
        journal: of the shards that are whole; those are not made again.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    done = find_complete_shards(journal, folders)
    with progress_bar(None, "embed", len(images)) as bar, open_batch_map(engine) as mapped:
        bar.update(min(len(done) * SHARD_ROWS, len(images)))
        try:
            for start in range(len(done) * SHARD_ROWS, len(images), SHARD_ROWS):
                number = start // SHARD_ROWS
                some = images[start : start + SHARD_ROWS]
                embed_shard(some, engine, mapped, folders, number, bar)
                done.append([file_sha256(shard_file(folder, number)) for folder in folders])
                append_entry({"sha256": done[-1]}, journal)
        except KeyboardInterrupt as stop:
            kept = min(len(done) * SHARD_ROWS, len(images))
            stop.add_note(f"embed: {kept} of {len(images)} images are kept")
            raise
    for place, folder in enumerate(folders):
        write_manifest(folder, images, [digests[place] for digests in done])


def find_complete_shards(journal: Path, folders: Sequence[Path]) -> list[list[str]]:
    """The SHA-256 of every shard in each folder, up to the first that is not as it was written."""
    found = [entry["sha256"] for entry in read_entries(journal)]
    for number, digests in enumerate(found):
        files = [shard_file(folder, number) for folder in folders]
        if not all(map(has_sha256, files, digests)):
            truncate_journal(number, journal)
            return found[:number]
    return found


def embed_shard(
    rows: Sequence[Row],
    engine: Engine,
    mapped: MapBatches,
    folders: Sequence[Path],
    number: int,
    bar: Any,
) -> None:
    """Write shard `number` of every output, the rows of some prepared images."""
    with ExitStack() as opened:
        shards = [
            opened.enter_context(create_shard(folder, number, (len(rows), *shape), np.float32))
            for folder, shape in zip(folders, engine.row_shapes, strict=True)
        ]
        starts = range(0, len(rows), engine.batch)
        batches = [rows[start : start + engine.batch] for start in starts]
        for start, batch, found in zip(starts, batches, mapped(batches), strict=True):
            # what could not be read elsewhere is read here, where it can be said what is wrong
            outputs = embed_batch(engine.forward, batch) if found is None else found
            for shard, output in zip(shards, outputs, strict=True):
                shard.write(start, output)
            bar.update(len(batch))


@contextmanager
def open_batch_map(engine: Engine) -> Iterator[MapBatches]:
    """The trunk over batches of rows, in their order: on all cores here, or on a cluster."""
    if uses_cluster() and engine.elsewhere:
        with open_executor(engine.elsewhere, read_prepared_files) as mapped:
            yield mapped
    elif engine.on_all_cores:
        yield partial(embed_in_turns, engine.forward)
    else:
        yield partial(map_in_threads, partial(embed_batch, engine.forward))


def embed_in_turns(forward: Forward, batches: Iterable[Sequence[Row]]) -> Iterator[Features]:
    """`embed_batch` for batches, TURN of them decoded on all cores, then run on all cores. At one
    time they would be in each other's way: a model's threads wait for each other after each layer.
    Raises TenchError."""
    waiting = iter(batches)
    while some := list(islice(waiting, BATCHES_PER_TURN)):
        images = map_in_threads(read_prepared, chain.from_iterable(some))
        yield from map(forward, [np.stack(list(islice(images, len(one)))) for one in some])


def embed_batch(forward: Forward, batch: Sequence[Row]) -> Features:
    """The trunk's outputs for a batch of prepared images. Raises TenchError."""
    return forward(np.stack([read_prepared(row) for row in batch]))


def read_prepared_files(batch: Sequence[Row]) -> PreparedFiles:
    """The files of prepared images; none where one cannot be read."""
    try:
        return [(read_from_pack(PREPARED / row.path), row.prepared_sha256) for row in batch]
    except Exception:  # zipfile has its own
        return []
