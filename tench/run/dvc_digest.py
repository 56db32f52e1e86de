"""What DVC tells files and folders by."""

import json
from fnmatch import fnmatch
from hashlib import md5
from pathlib import Path

from tench.core.parallel import map_in_threads

# in any folder of results, as .dvcignore has it
DVC_IGNORED = ("__pycache__", ".part-*", ".unfinished", "dvc.yaml", "*.dvc", ".dvcignore")


def file_md5(file: Path) -> str:
    """The MD5 of a file's bytes, by which DVC tells files."""
    with file.open("rb") as content:
        digest = md5(usedforsecurity=False)
        while part := content.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def is_ignored_by_dvc(name: Path) -> bool:
    """Whether DVC does not see a file of this name in a folder."""
    return any(fnmatch(part, pattern) for part in name.parts for pattern in DVC_IGNORED)


def dvc_digest(path: Path) -> str:
    """What dvc.lock calls the `md5` of a file or folder, empty if there is none.

    A folder's is the MD5 of a JSON list of its files, sorted by their path in it.
    """
    if path.is_file():
        return file_md5(path)
    if not path.is_dir():
        return ""
    found = ((file.relative_to(path), file) for file in path.rglob("*") if file.is_file())
    files = sorted((name.as_posix(), file) for name, file in found if not is_ignored_by_dvc(name))
    digests = map_in_threads(file_md5, [file for _, file in files])
    entries = [
        {"md5": digest, "relpath": name} for (name, _), digest in zip(files, digests, strict=True)
    ]
    return md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"
