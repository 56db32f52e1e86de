"""The git tree id of a folder: what `git write-tree` would say of it."""

import hashlib
import os
from pathlib import Path

IGNORED_FILE = ".DS_Store"  # what macOS leaves in a folder that was looked into


def git_object_id(kind: str, content: bytes) -> bytes:
    """The SHA-1 of a git object, 20 bytes."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


def tree_id(folder: Path, but: str = "") -> str:
    """The git tree id of a folder, as 40 hex digits; its entry named `but` does not count.

    Every file counts as executable, as in the repository the known ids come from, whatever its mode
    here: copying changes modes, not images. A link to a file counts as that file; one to a folder
    or to nothing as what it is, so that no loop of links is followed.
    """
    return tree_object_id(folder, but).hex()


def tree_object_id(folder: Path, but: str = "") -> bytes:
    """The id of a folder's tree object, 20 bytes."""
    entries = []
    for path in folder.iterdir():
        if path.name in (but, IGNORED_FILE):
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
