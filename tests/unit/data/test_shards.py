"""Feature shards: rows in any order, and damage that is detected."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_damage import flip_bit_in_file
from numpy.typing import DTypeLike, NDArray

from tench.core.errors import TenchError
from tench.core.files import file_sha256
from tench.core.paths import MANIFEST
from tench.data.index import Row
from tench.data.store import shards
from tench.data.store.shards import (
    create_shard,
    open_shards,
    read_rows,
    select_rows,
    write_manifest,
)

ROOT = Path(__file__).parents[3]
AGAIN = "then run `dvc repro` again"


def rows(count: int, kind: str = "image") -> list[Row]:
    """Rows of an index with distinct images."""
    return [
        Row(f"{n}.webp", "train", 0, "fish", f"{n}.jpg", "", f"{kind} {n}", 0, n)
        for n in range(count)
    ]


def write(
    folder: Path, content: NDArray[Any], images: list[Row], dtype: DTypeLike = np.float32
) -> None:
    """Write `content` as feature shards of `images`."""
    for start in range(0, len(content), shards.SHARD_ROWS):
        part = content[start : start + shards.SHARD_ROWS].astype(dtype)
        with create_shard(folder, start // shards.SHARD_ROWS, part.shape, dtype) as shard:
            for row in reversed(range(len(part))):  # any order is allowed
                shard.write(row, part[row : row + 1])
    digests = [file_sha256(file) for file in sorted(folder.glob("*.npy"))]
    write_manifest(folder, images, digests)


def content(folder: Path, images: list[Row]) -> NDArray[np.generic]:
    """All rows of a shard folder."""
    return read_rows(open_shards(folder, images), np.arange(len(images)))


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use shards of ten rows."""
    monkeypatch.setattr(shards, "SHARD_ROWS", 10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Shards of 25 images; row n is seven times the number n."""
    write(tmp_path / "train", np.repeat(np.arange(25)[:, None], 7, axis=1), rows(25))
    return tmp_path / "train"


@pytest.mark.parametrize(
    ("shape", "dtype"), [((5,), np.float32), ((2, 3, 4), np.float32), ((1,), np.int64)]
)
def test_rows_are_read_in_any_order(
    tmp_path: Path, shape: tuple[int, ...], dtype: DTypeLike
) -> None:
    rng = np.random.default_rng(0)
    written = rng.integers(0, 1000, (37, *shape)).astype(dtype)
    write(tmp_path / "train", written, rows(37), dtype)
    opened = open_shards(tmp_path / "train", rows(37))
    assert (opened.rows, opened.row_shape, opened.dtype) == (37, shape, dtype)
    assert [len(np.load(file)) for file in opened.files] == [10, 10, 10, 7]
    for order in (
        rng.permutation(37),
        rng.integers(0, 37, 100),
        np.array([9, 10, 36, 0, 0]),
        np.array([], np.int64),
    ):
        found = read_rows(opened, order)
        assert found.dtype == dtype
        assert np.array_equal(found, written[order])


def test_rows_are_those_of_the_index_in_its_order(folder: Path) -> None:
    index = [*rows(25)[5:], *rows(25)[:5]]  # reordered by a split
    assert content(folder, index)[:, 0].tolist() == [*range(5, 25), *range(5)]
    some = select_rows(open_shards(folder, index), [index[21], index[2]])
    assert some.rows == 2
    assert read_rows(some, np.array([1, 0, 1]))[:, 0].tolist() == [7, 1, 7]


def test_shards_are_in_the_order_of_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_ROWS", 1)
    for number in reversed(range(12)):
        with create_shard(tmp_path / "train", number, (1, 2), np.float32) as shard:
            shard.write(0, np.full((1, 2), number, np.float32))
    digests = [file_sha256(file) for file in sorted((tmp_path / "train").iterdir())]
    write_manifest(tmp_path / "train", rows(12), digests)
    assert content(tmp_path / "train", rows(12))[:, 0].tolist() == list(range(12))


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(descriptor: int, data: memoryview, offset: int) -> int:
        return write_all(descriptor, data[:11], offset)

    write_all = os.pwrite
    monkeypatch.setattr(os, "pwrite", short)
    written = np.random.default_rng(0).normal(0, 1, (13, 7)).astype(np.float32)
    write(tmp_path / "train", written, rows(13))
    assert np.array_equal(content(tmp_path / "train", rows(13)), written)


def cut(file: Path) -> None:
    """Cut the last row off a file."""
    os.truncate(file, file.stat().st_size - 7 * 4)


@pytest.mark.parametrize(
    ("damage", "where", "why"),
    [
        (lambda folder: flip_bit_in_file(folder / "00001.npy", -5), "00001.npy", "damaged"),
        (lambda folder: flip_bit_in_file(folder / "00000.npy", 70), "00000.npy", "damaged"),
        (lambda folder: cut(folder / "00002.npy"), "00002.npy", "damaged"),
        (lambda folder: (folder / "00001.npy").unlink(), "", "a shard is missing"),
        (lambda folder: (folder / "00002.npy").unlink(), "", "a shard is missing"),
        (lambda folder: (folder / "00003.npy").touch(), "", "an extra one"),
        (lambda folder: (folder / MANIFEST).unlink(), "", "features are missing"),
        (lambda folder: flip_bit_in_file(folder / MANIFEST, 0), MANIFEST, "damaged"),
        (lambda folder: (folder / MANIFEST).write_text("{}"), MANIFEST, "damaged"),
        (lambda folder: folder.rename(folder.parent / "elsewhere"), "", "features are missing"),
    ],
)
def test_damage_is_reported_with_the_fix(
    folder: Path, damage: Callable[[Path], object], where: str, why: str
) -> None:
    damage(folder)
    with pytest.raises(TenchError) as caught:
        open_shards(folder, rows(25))
    assert str(caught.value).startswith(f"{folder / where}: ")
    assert why in str(caught.value)
    assert AGAIN in str(caught.value)


@pytest.mark.parametrize(
    ("images", "why"),
    [
        (rows(24), "features of 25 images, but the index has 24"),
        (rows(26), "features of 25 images, but the index has 26"),
        (rows(25, "other"), "of other images"),
        ([*rows(24), *rows(1)], "of other images"),
    ],
)
def test_features_of_other_images_are_refused(folder: Path, images: list[Row], why: str) -> None:
    with pytest.raises(TenchError) as caught:
        open_shards(folder, images)
    assert str(caught.value).startswith(f"{folder}: ")
    assert why in str(caught.value)
    assert AGAIN in str(caught.value)


def test_an_interrupted_writer_leaves_no_shard(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), create_shard(tmp_path, 0, (5, 7), np.float32) as shard:  # noqa: PT012
        shard.write(0, np.ones((2, 7), np.float32))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_and_does_not_kill(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np; from pathlib import Path;"
        "from tench.data.store.shards import create_shard\n"
        "with create_shard(Path('small/train'), 0, (64, 1024), np.float32) as shard:\n"
        "    try:\n"
        "        for row in range(64): shard.write(row, np.ones((1, 1024), np.float32))\n"
        "    except OSError as error: print(error.errno)\n"
        "    sys.exit()\n"
    )
    # a disk of 64 kB that is unmounted when the process ends
    (tmp_path / "small").mkdir()
    mount = 'mount -t tmpfs -o size=64k none small && echo mounted && exec "$@"'
    try:
        answer = subprocess.run(
            ["unshare", "-rm", "sh", "-c", mount, "sh", sys.executable, "-c", program],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed, so there is no small disk")
    if "mounted" not in answer.stdout:
        pytest.skip(f"mounting a small disk is not allowed: {answer.stderr.strip()}")
    assert answer.stdout.split() == ["mounted", str(errno.ENOSPC)], answer


@pytest.mark.parametrize("most", [1, 11, 28])
def test_a_short_read_is_continued(
    folder: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    class Short(FileIO):
        def readinto(self, into: Any) -> int:
            return super().readinto(into[:most]) or 0

    opened = open_shards(folder, rows(25))
    monkeypatch.setattr(Path, "open", lambda file, *how, **more: Short(file))
    expected = np.repeat(np.arange(25)[:, None], 7, axis=1)
    assert np.array_equal(read_rows(opened, np.arange(25)), expected)


@pytest.mark.parametrize("left", range(0, 7 * 4 * 5, 13))
def test_a_file_truncated_during_reading_is_reported(folder: Path, left: int) -> None:
    opened = open_shards(folder, rows(25))
    os.truncate(folder / "00002.npy", opened.offset + left)
    assert read_rows(opened, np.arange(20))[:, 0].tolist() == list(range(20))
    with pytest.raises(TenchError, match=r"00002\.npy: truncated after it was verified") as caught:
        read_rows(opened, np.arange(25))
    assert AGAIN in str(caught.value)
