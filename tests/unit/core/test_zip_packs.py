"""Packs: equal bytes for equal files, reads by path and from many threads."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import pytest

from tench.core.zip_packs import read_from_pack, write_pack

FILES = [(f"deep/{n}.webp", bytes([n]) * (n + 1)) for n in range(50)]


def test_a_pack_has_equal_bytes_at_any_time(tmp_path: Path) -> None:
    one, other = tmp_path / "a/000.zip", tmp_path / "b/000.zip"
    write_pack(FILES, one)
    time.sleep(2.1)  # the resolution of zip dates is two seconds
    write_pack(FILES, other)
    assert one.read_bytes() == other.read_bytes()
    with ZipFile(one) as opened:
        assert [(name, opened.read(name)) for name in opened.namelist()] == FILES


def test_a_pack_is_found_whatever_its_folders_are_named(tmp_path: Path) -> None:
    pack = tmp_path / "a.zip/000.zip"
    write_pack([("b.zip/c.zip", b"here")], pack)
    assert read_from_pack(pack / "b.zip/c.zip") == b"here"


def test_threads_read_what_was_written(tmp_path: Path) -> None:
    packs = [tmp_path / f"{n:03d}.zip" for n in range(100)]  # more than MAX_OPEN_PACKS
    for pack in packs:
        write_pack([(name, pack.name.encode() + data) for name, data in FILES], pack)
    paths = [(pack, name, data) for name, data in FILES for pack in packs]
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda one: read_from_pack(one[0] / one[1]), paths)
        assert all(a == one[0].name.encode() + one[2] for a, one in zip(found, paths, strict=True))


def test_a_replaced_pack_is_opened_again(tmp_path: Path) -> None:
    pack = tmp_path / "000.zip"
    for content in (b"one", b"two"):
        write_pack([("a", content)], pack)
        assert read_from_pack(pack / "a") == content


def test_missing_and_damaged_files_raise(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_from_pack(tmp_path / "000.zip/a")
    write_pack(FILES, tmp_path / "000.zip")
    with pytest.raises(KeyError):
        read_from_pack(tmp_path / "000.zip/other")
    (tmp_path / "001.zip").write_bytes(b"no zip file")
    with pytest.raises(BadZipFile):
        read_from_pack(tmp_path / "001.zip/a")
