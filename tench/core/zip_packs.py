"""Packs: many small files in one, a zip file that any file manager opens.

DVC looks at every file it keeps, at every run; of a million images it would see nothing else.
What is in a pack is not compressed again. A path names a file in a pack as if that were a folder:
`train/fish/000.zip/a.jpg.webp`.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from tench.core.files import atomic_file

PACK_SUFFIX = ".zip"
MAX_OPEN_PACKS = 64  # packs at a time
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that zip knows: the same files, the same bytes

open_lock = threading.Lock()


def write_pack(content: Sequence[tuple[str, bytes]], file: Path) -> None:
    """Write files, by name, as a pack, whole or not at all."""
    with atomic_file(file) as part, ZipFile(part, "w") as pack:
        for name, data in content:
            info = ZipInfo(name, ZIP_EPOCH)
            info.create_system = 3  # as on every other system
            pack.writestr(info, data)


def find_pack(path: Path) -> Path:
    """The pack that a path leads into. FileNotFoundError if there is none."""
    for parent in path.parents:
        if parent.suffix == PACK_SUFFIX and parent.is_file():
            return parent
    raise FileNotFoundError(path)


def read_from_pack(path: Path) -> bytes:
    """Read a file in a pack.

    Raises:
        FileNotFoundError: there is no such pack.
        KeyError: there is no such file in it.
        BadZipFile, NotImplementedError, …: it is damaged.
    """
    pack = find_pack(path)
    status = pack.stat()
    with open_lock:  # of the several threads that ask for it first, one opens it
        opened = open_pack(pack.absolute(), status.st_ino, status.st_mtime_ns)
    return opened.read(path.relative_to(pack).as_posix())


@lru_cache(MAX_OPEN_PACKS)
def open_pack(pack: Path, inode: int, changed: int) -> ZipFile:
    """A pack, opened once for all that is read from it.

    Args:
        pack: where it is.
        inode, changed: of the file; another in its place is opened anew.
    """
    return ZipFile(pack)
