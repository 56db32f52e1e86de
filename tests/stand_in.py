"""A few files in the place of Imagenette's pictures, and what its stage says of them."""

import os
import subprocess
from pathlib import Path

import pytest
from serving import NOWHERE

from tench.core.errors import TenchError
from tench.sources import imagenette
from tench.sources.git_tree import tree_id

OUT = Path("data/imagenette")
PARTS = ("train", "val")


def alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in `folder`: no pictures around, no proxy, nobody at the address of the repository."""
    monkeypatch.chdir(folder)
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in ("IMAGENETTE_DIR", *names, *(name.upper() for name in names)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(imagenette, "BESIDE", Path("nowhere"))
    monkeypatch.setattr(imagenette, "REPOSITORY", f"{NOWHERE}/pictures")


def write_files(folder: Path) -> None:
    """A folder whose order git and Python see differently."""
    names = ("a/1.JPEG", "a/2.JPEG", "a-b/1", "a.b", "a0/deep/er/1", "ab", "B", "\u00e9 f", "Z/e")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 3)
    (folder / "ab").write_bytes(b"")
    (folder / "B").write_bytes(bytes(range(256)) * 300)


def right_pictures(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as Imagenette from now on, and in it something that is not copied."""
    folder = Path("right")
    for part in PARTS:
        write_files(folder / part)
        (folder / part / "own").write_text(part)
    (folder / "README.md").write_text("not copied")
    monkeypatch.setattr(imagenette, "TREES", {part: tree_id(folder / part) for part in PARTS})
    return folder


def git(folder: Path, *arguments: str) -> str:
    """What git prints, with no settings but its own."""
    nowhere = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    where = {**os.environ, **nowhere, "GIT_DIR": str(folder / ".git")}
    command = ["git", "-c", "core.fileMode=true", "-c", "core.autocrlf=false", *arguments]
    answer = subprocess.run(command, cwd=folder, env=where, capture_output=True, check=True)
    return answer.stdout.decode().strip()


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path in it."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def error() -> str:
    """What the stage says; it leaves nothing half-made."""
    with pytest.raises(TenchError) as caught:
        imagenette.obtain(OUT)
    assert not list(OUT.parent.glob(".part-*"))
    return str(caught.value)


def has_three_ways(said: str) -> bool:
    """Whether a message tells the ways to the pictures."""
    ways = ("1. set IMAGENETTE_DIR", "2. connect to the network", "3. use other pictures")
    return all(way in said for way in ways)


def arrived() -> bool:
    """Whether the pictures are there, and nothing but them."""
    trees = {path.name: tree_id(path) for path in OUT.iterdir()}
    return trees == imagenette.TREES and [p.name for p in OUT.parent.iterdir()] == [OUT.name]
