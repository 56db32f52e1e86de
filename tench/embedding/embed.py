"""Prepared pictures through a trunk into shards, all of them once, in the index's order."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from tench.console.disk import need_room
from tench.console.progress import progress
from tench.core.files import file_sha256, is_file_of
from tench.core.packs import read_packed
from tench.core.parallel import in_threads
from tench.core.paths import PREPARED
from tench.core.unfinished import append, entries, keep_first
from tench.embedding.engine import Engine
from tench.embedding.litert import Features, Files, Forward
from tench.pictures.checked import read_checked
from tench.pictures.index import Row
from tench.pictures.shards import (
    ROWS,
    in_place,
    new_shard,
    shard_file,
    write_manifest,
)
from tench.spread.spreading import elsewhere, spread

TURN = 32  # batches that are decoded, and then run

Mapped = Callable[[Iterable[Sequence[Row]]], Iterator[Features | None]]


def embed_all(rows: Sequence[Row], engine: Engine, work: Path, names: Sequence[str]) -> None:
    """Embed all pictures, in the order of their places, into `work`; and go on there where an
    earlier call was stopped that had the same pictures and trunk.

    Args:
        rows: the whole index.
        engine: the trunk.
        work: where the shards of an output go, into NAME.
        names: of the trunk's outputs.
    """
    row = sum(4 * math.prod(shape) for shape in engine.row_shapes)  # bytes
    there = sum(file.stat().st_size for file in work.rglob("*.npy"))
    need_room(len(rows) * row - there, work, "features")
    folders = [work / name for name in names]
    embed(in_place(rows), engine, folders, work / "shards.journal")


def embed(pictures: Sequence[Row], engine: Engine, folders: Sequence[Path], journal: Path) -> None:
    """Write the trunk's outputs for `pictures`, in their order, as shards: one folder an output.

    Args:
        pictures: rows of the index.
        engine: the trunk.
        folders: where the shards of each output go.
        journal: of the shards that are whole; those are not made again.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    done = whole_shards(journal, folders)
    with progress(None, "embed", len(pictures)) as bar, over_batches(engine) as mapped:
        bar.update(min(len(done) * ROWS, len(pictures)))
        try:
            for start in range(len(done) * ROWS, len(pictures), ROWS):
                number = start // ROWS
                some = pictures[start : start + ROWS]
                embed_shard(some, engine, mapped, folders, number, bar)
                done.append([file_sha256(shard_file(folder, number)) for folder in folders])
                append({"sha256": done[-1]}, journal)
        except KeyboardInterrupt as stop:
            kept = min(len(done) * ROWS, len(pictures))
            stop.add_note(f"embed: {kept} of {len(pictures)} pictures are kept")
            raise
    for place, folder in enumerate(folders):
        write_manifest(folder, pictures, [digests[place] for digests in done])


def whole_shards(journal: Path, folders: Sequence[Path]) -> list[list[str]]:
    """The SHA-256 of every shard in each folder, up to the first that is not as it was written."""
    found = [entry["sha256"] for entry in entries(journal)]
    for number, digests in enumerate(found):
        files = [shard_file(folder, number) for folder in folders]
        if not all(map(is_file_of, files, digests)):
            keep_first(number, journal)
            return found[:number]
    return found


def embed_shard(
    rows: Sequence[Row],
    engine: Engine,
    mapped: Mapped,
    folders: Sequence[Path],
    number: int,
    bar: Any,
) -> None:
    """Write shard `number` of every output, the rows of some prepared pictures."""
    with ExitStack() as opened:
        shards = [
            opened.enter_context(new_shard(folder, number, (len(rows), *shape), np.float32))
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
def over_batches(engine: Engine) -> Iterator[Mapped]:
    """The trunk over batches of rows, in their order: on all cores here, or on a cluster."""
    if elsewhere() and engine.elsewhere:
        with spread(engine.elsewhere, files_of) as mapped:
            yield mapped
    elif engine.on_all_cores:
        yield partial(in_turns, engine.forward)
    else:
        yield partial(in_threads, partial(embed_batch, engine.forward))


def in_turns(forward: Forward, batches: Iterable[Sequence[Row]]) -> Iterator[Features]:
    """`embed_batch` for batches, TURN of them decoded on all cores, then run on all cores. At one
    time they would be in each other's way: a model's threads wait for each other after each layer.
    Raises TenchError."""
    waiting = iter(batches)
    while some := list(islice(waiting, TURN)):
        pictures = in_threads(read_checked, chain.from_iterable(some))
        yield from map(forward, [np.stack(list(islice(pictures, len(one)))) for one in some])


def embed_batch(forward: Forward, batch: Sequence[Row]) -> Features:
    """The trunk's outputs for a batch of prepared pictures. Raises TenchError."""
    return forward(np.stack([read_checked(row) for row in batch]))


def files_of(batch: Sequence[Row]) -> Files:
    """The files of prepared pictures; none where one cannot be read."""
    try:
        return [(read_packed(PREPARED / row.path), row.prepared_sha256) for row in batch]
    except Exception:  # zipfile has its own
        return []
