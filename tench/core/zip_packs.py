"""Packs: zip files that hold many small files, uncompressed.

DVC checks every file in its cache on every run, which is slow for a million images. A path names
a file in a pack as if the pack were a folder: `train/fish/000.zip/a.jpg.webp`.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from tench.core.files import atomic_file

PACK_SUFFIX = ".zip"
MAX_OPEN_PACKS = 64
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first date, for equal bytes from equal files

open_lock = threading.Lock()


def write_pack(content: Sequence[tuple[str, bytes]], file: Path) -> None:
    """Write (name, content) pairs as a pack, atomically."""
    with atomic_file(file) as part, ZipFile(part, "w") as pack:
        for name, data in content:
            info = ZipInfo(name, ZIP_EPOCH)
            info.create_system = 3  # Unix, on every system
            pack.writestr(info, data)


def find_pack(path: Path) -> Path:
    """The pack that contains a path. Raises FileNotFoundError."""
    for parent in path.parents:
        if parent.suffix == PACK_SUFFIX and parent.is_file():
            return parent
    raise FileNotFoundError(path)


def read_from_pack(path: Path) -> bytes:
    """Read a file in a pack.

    Raises:
        FileNotFoundError: the pack does not exist.
        KeyError: the pack does not contain the file.
        BadZipFile, NotImplementedError, …: the pack is damaged.
    """
    pack = find_pack(path)
    status = pack.stat()
    with open_lock:  # only one thread opens it
        opened = open_pack(pack.absolute(), status.st_ino, status.st_mtime_ns)
    return opened.read(path.relative_to(pack).as_posix())


@lru_cache(MAX_OPEN_PACKS)
def open_pack(pack: Path, inode: int, changed: int) -> ZipFile:
    """Open a pack, cached.

    Args:
        pack: absolute path.
        inode, changed: inode and modification time, so that a replaced file is opened again.
    """
    return ZipFile(pack)
