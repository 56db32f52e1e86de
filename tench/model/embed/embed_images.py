"""Run the frozen base over all prepared images and cache its outputs as feature shards."""

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

BATCHES_PER_TURN = 32  # decoded on all cores, then run on all cores

MapBatches = Callable[[Iterable[Sequence[Row]]], Iterator[Features | None]]


def embed_images(rows: Sequence[Row], engine: Engine, work: Path, names: Sequence[str]) -> None:
    """Embed all images; resume at the shard where an earlier, interrupted call stopped.

    Args:
        rows: the whole index.
        engine: runs the frozen base.
        work: where the shards of each output go, into a folder of its name. It must only contain
            work on the same images with the same frozen base.
        names: of the outputs.
    """
    row_bytes = sum(4 * math.prod(shape) for shape in engine.row_shapes)
    bytes_done = sum(file.stat().st_size for file in work.rglob("*.npy"))
    check_free_space(len(rows) * row_bytes - bytes_done, work, "features")
    folders = [work / name for name in names]
    write_feature_shards(in_feature_order(rows), engine, folders, work / "shards.journal")


def write_feature_shards(
    images: Sequence[Row], engine: Engine, folders: Sequence[Path], journal: Path
) -> None:
    """Write feature shards, in the order of `images`, into one folder per output.

    Args:
        images: rows of the index.
        engine: runs the frozen base.
        folders: one per output.
        journal: lists the complete shards, which are skipped.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    done = find_complete_shards(journal, folders)
    with progress_bar(None, "embed", len(images)) as bar, open_batch_map(engine) as map_batches:
        bar.update(min(len(done) * SHARD_ROWS, len(images)))
        try:
            for start in range(len(done) * SHARD_ROWS, len(images), SHARD_ROWS):
                number = start // SHARD_ROWS
                rows = images[start : start + SHARD_ROWS]
                embed_shard(rows, engine, map_batches, folders, number, bar)
                done.append([file_sha256(shard_file(folder, number)) for folder in folders])
                append_entry({"sha256": done[-1]}, journal)
        except KeyboardInterrupt as stop:
            saved = min(len(done) * SHARD_ROWS, len(images))
            stop.add_note(f"embed: {saved} of {len(images)} images saved")
            raise
    for column, folder in enumerate(folders):
        write_manifest(folder, images, [digests[column] for digests in done])


def find_complete_shards(journal: Path, folders: Sequence[Path]) -> list[list[str]]:
    """The SHA-256 of every shard in each folder, up to the first shard that is damaged or missing.

    Truncates the journal there.
    """
    complete = [entry["sha256"] for entry in read_entries(journal)]
    for number, digests in enumerate(complete):
        files = [shard_file(folder, number) for folder in folders]
        if not all(map(has_sha256, files, digests)):
            truncate_journal(number, journal)
            return complete[:number]
    return complete


def embed_shard(
    rows: Sequence[Row],
    engine: Engine,
    map_batches: MapBatches,
    folders: Sequence[Path],
    number: int,
    bar: Any,
) -> None:
    """Write shard `number` of every output."""
    with ExitStack() as opened:
        shards = [
            opened.enter_context(create_shard(folder, number, (len(rows), *shape), np.float32))
            for folder, shape in zip(folders, engine.row_shapes, strict=True)
        ]
        starts = range(0, len(rows), engine.batch_size)
        batches = [rows[start : start + engine.batch_size] for start in starts]
        for start, batch, result in zip(starts, batches, map_batches(batches), strict=True):
            # Files that another machine could not read are read here, for a useful error.
            outputs = embed_batch(engine.forward, batch) if result is None else result
            for shard, output in zip(shards, outputs, strict=True):
                shard.write(start, output)
            bar.update(len(batch))


@contextmanager
def open_batch_map(engine: Engine) -> Iterator[MapBatches]:
    """Open a map of the frozen base over batches: on all cores here, or on a Ray cluster."""
    if uses_cluster() and engine.remote_forward:
        with open_executor(engine.remote_forward, read_prepared_files) as map_batches:
            yield map_batches
    elif engine.uses_all_cores:
        yield partial(embed_in_turns, engine.forward)
    else:
        yield partial(map_in_threads, partial(embed_batch, engine.forward))


def embed_in_turns(forward: Forward, batches: Iterable[Sequence[Row]]) -> Iterator[Features]:
    """Embed batches in turns: decode BATCHES_PER_TURN on all cores, then run them on all cores.

    Both at once would be slower: the threads of a model wait for each other after each layer.

    Raises:
        TenchError: a prepared image is damaged.
    """
    remaining = iter(batches)
    while turn := list(islice(remaining, BATCHES_PER_TURN)):
        images = map_in_threads(read_prepared, chain.from_iterable(turn))
        yield from map(forward, [np.stack(list(islice(images, len(batch)))) for batch in turn])


def embed_batch(forward: Forward, batch: Sequence[Row]) -> Features:
    """Embed a batch of prepared images. Raises TenchError if one is damaged."""
    return forward(np.stack([read_prepared(row) for row in batch]))


def read_prepared_files(batch: Sequence[Row]) -> PreparedFiles:
    """The content of a batch of prepared files; empty if one cannot be read."""
    try:
        return [(read_from_pack(PREPARED / row.path), row.prepared_sha256) for row in batch]
    except Exception:  # zipfile raises its own
        return []
