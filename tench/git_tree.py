"""The git tree id of a folder: what `git write-tree` would say of it."""

import hashlib
from pathlib import Path


def git_object(kind: str, content: bytes) -> bytes:
    """The SHA-1 of a git object, 20 bytes."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


def tree_id(folder: Path) -> str:
    """The git tree id of a folder of plain files and folders, as 40 hex digits.

    Every file counts as executable, as in the repository the known ids come from, whatever its mode
    here: copying changes modes, not pictures.
    """
    return tree(folder).hex()


def tree(folder: Path) -> bytes:
    """The id of a folder's tree object, 20 bytes."""
    entries = []
    for path in folder.iterdir():
        if path.is_dir():
            entries.append((path.name.encode() + b"/", b"40000 ", tree(path)))
        else:
            entries.append((path.name.encode(), b"100755 ", git_object("blob", path.read_bytes())))
    content = b"".join(
        mode + name.removesuffix(b"/") + b"\0" + sha for name, mode, sha in sorted(entries)
    )
    return git_object("tree", content)
