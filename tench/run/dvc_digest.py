"""DVC's digests of files and folders."""

import json
from hashlib import md5
from pathlib import Path

from tench.core.names import is_ignored_by_dvc
from tench.core.parallel import map_in_threads


def file_md5(file: Path) -> str:
    """MD5 of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        digest = md5(usedforsecurity=False)
        while part := content.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def dvc_digest(path: Path) -> str:
    """The `md5` of a file or folder in dvc.lock; "" if the path does not exist.

    For a folder, the MD5 of a JSON list of its files, sorted by relative path, plus ".dir".
    """
    if path.is_file():
        return file_md5(path)
    if not path.is_dir():
        return ""
    relative = ((file.relative_to(path), file) for file in path.rglob("*") if file.is_file())
    files = sorted(
        (name.as_posix(), file) for name, file in relative if not is_ignored_by_dvc(name)
    )
    digests = map_in_threads(file_md5, [file for _, file in files])
    entries = [
        {"md5": digest, "relpath": name} for (name, _), digest in zip(files, digests, strict=True)
    ]
    return md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"
