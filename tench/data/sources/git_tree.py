"""The git tree id of a folder, as computed by `git write-tree`."""

import hashlib
import os
from pathlib import Path

IGNORED_FILE = ".DS_Store"  # written by the macOS Finder


def git_object_id(kind: str, content: bytes) -> bytes:
    """The SHA-1 of a git object, 20 bytes."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


def tree_id(folder: Path, exclude: str = "") -> str:
    """The git tree id of a folder, 40 hex digits.

    Every file counts as executable, as in the repository of the expected ids: copying may change
    modes. A link to a file counts as that file. Other links are not followed, so loops are safe.

    Args:
        folder: the folder.
        exclude: name of a top-level entry to ignore.
    """
    return tree_object_id(folder, exclude).hex()


def tree_object_id(folder: Path, exclude: str = "") -> bytes:
    """The SHA-1 of a folder's tree object, 20 bytes; arguments as for `tree_id`."""
    entries = []
    for path in folder.iterdir():
        if path.name in (exclude, IGNORED_FILE):
            continue
        name = os.fsencode(path.name)
        if path.is_file():
            entries.append((name, b"100755 ", git_object_id("blob", path.read_bytes())))
        elif path.is_symlink():
            target = os.fsencode(path.readlink())
            entries.append((name, b"120000 ", git_object_id("blob", target)))
        elif path.is_dir():
            entries.append((name + b"/", b"40000 ", tree_object_id(path)))
    content = b"".join(
        mode + name.removesuffix(b"/") + b"\0" + sha for name, mode, sha in sorted(entries)
    )
    return git_object_id("tree", content)
