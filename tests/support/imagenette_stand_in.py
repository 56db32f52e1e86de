"""A few files that stand in for Imagenette, and helpers for its stage."""

import os
import subprocess
from pathlib import Path

import pytest
from classifier_server import UNREACHABLE_URL

from tench.core.errors import TenchError
from tench.data.sources import imagenette
from tench.data.sources.git_tree import tree_id

IMAGENETTE_FOLDER = Path("data/imagenette")
SPLIT_FOLDERS = ("train", "val")


def isolate_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter `folder` with no images nearby, no proxy and an unreachable repository."""
    monkeypatch.chdir(folder)
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in ("IMAGENETTE_DIR", *names, *(name.upper() for name in names)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(imagenette, "SHARED_FOLDER", Path("nowhere"))
    monkeypatch.setattr(imagenette, "REPOSITORY", f"{UNREACHABLE_URL}/images")


def write_unsorted_files(folder: Path) -> None:
    """Write files that git and Python sort differently."""
    names = ("a/1.JPEG", "a/2.JPEG", "a-b/1", "a.b", "a0/deep/er/1", "ab", "B", "\u00e9 f", "Z/e")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 3)
    (folder / "ab").write_bytes(b"")
    (folder / "B").write_bytes(bytes(range(256)) * 300)


def make_valid_images(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder that is accepted as Imagenette; its README is not copied."""
    folder = Path("valid")
    for part in SPLIT_FOLDERS:
        write_unsorted_files(folder / part)
        (folder / part / "own").write_text(part)
    (folder / "README.md").write_text("not copied")
    monkeypatch.setattr(
        imagenette, "TREE_IDS", {part: tree_id(folder / part) for part in SPLIT_FOLDERS}
    )
    return folder


def isolated_git_output(folder: Path, *arguments: str) -> str:
    """Run git with its default settings and return its output."""
    no_config = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    environment = {**os.environ, **no_config, "GIT_DIR": str(folder / ".git")}
    command = ["git", "-c", "core.fileMode=true", "-c", "core.autocrlf=false", *arguments]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return process.stdout.decode().strip()


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder: relative path to content."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def stage_error_message() -> str:
    """Run the stage, which must fail and leave no partial output; return its message."""
    with pytest.raises(TenchError) as caught:
        imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert not list(IMAGENETTE_FOLDER.parent.glob(".part-*"))
    return str(caught.value)


def lists_three_ways(message: str) -> bool:
    """Whether a message lists the three ways to get images."""
    ways = ("1. set IMAGENETTE_DIR", "2. connect to the network", "3. use other images")
    return all(way in message for way in ways)


def is_imagenette_complete() -> bool:
    """Whether the folder contains exactly the valid images."""
    trees = {path.name: tree_id(path) for path in IMAGENETTE_FOLDER.iterdir()}
    return trees == imagenette.TREE_IDS and [
        p.name for p in IMAGENETTE_FOLDER.parent.iterdir()
    ] == [IMAGENETTE_FOLDER.name]
