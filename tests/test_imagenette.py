"""imagenette: the right pictures from wherever they come, or three ways to get them."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from stages import imagenette
from tench.cli import TenchError
from tench.git_tree import tree_id


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures around, and nobody at the address of the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMAGENETTE_DIR", raising=False)
    monkeypatch.setattr(imagenette, "BESIDE", Path("nowhere"))
    monkeypatch.setattr(imagenette, "HOST", "127.0.0.1")


def write_files(folder: Path) -> None:
    """A folder whose order git and Python see differently."""
    names = ("a/1.JPEG", "a/2.JPEG", "a-b/1", "a.b", "a0/deep/er/1", "ab", "B", "\u00e9 f", "Z/e")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 3)
    (folder / "ab").write_bytes(b"")
    (folder / "B").write_bytes(bytes(range(256)) * 300)


def git(folder: Path, *arguments: str) -> str:
    """What git prints, with no settings but its own."""
    nowhere = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    where = {**os.environ, **nowhere, "GIT_DIR": str(folder / ".git")}
    command = ["git", "-c", "core.fileMode=true", "-c", "core.autocrlf=false", *arguments]
    answer = subprocess.run(command, cwd=folder, env=where, capture_output=True, check=True)
    return answer.stdout.decode().strip()


def error() -> str:
    """What the stage says."""
    with pytest.raises(TenchError) as caught:
        imagenette.main()
    return str(caught.value)


def has_three_ways(said: str) -> bool:
    """Whether a message tells the ways to the pictures."""
    ways = ("1. set IMAGENETTE_DIR", "2. connect to the network", "3. use other pictures")
    return all(way in said for way in ways)


def test_tree_id_is_gits(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    write_files(pictures)
    expected = tree_id(pictures)  # whatever the files' modes are
    for file in pictures.rglob("*"):
        file.chmod(0o755)
    git(pictures, "init", "--quiet")
    git(pictures, "add", ".")
    assert git(pictures, "write-tree") == expected
    shutil.rmtree(pictures / ".git")
    (pictures / "a/1.JPEG").write_bytes(b"other")
    assert tree_id(pictures) != expected


def test_named_folder_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", "gone/imagenette")
    said = error()
    assert said.startswith("IMAGENETTE_DIR = gone/imagenette: no such folder")
    assert has_three_ways(said)


@pytest.mark.parametrize("part", ["train", "val"])
def test_named_folder_without_train_or_val(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    for one in {"train", "val"} - {part}:
        write_files(Path("mine") / one)
    monkeypatch.setenv("IMAGENETTE_DIR", "mine")
    said = error()
    assert said.startswith(f"mine: has no folder {part}/")
    assert has_three_ways(said)


def test_other_pictures_are_refused_with_their_id(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("train", "val"):
        write_files(Path("mine") / part)
    monkeypatch.setenv("IMAGENETTE_DIR", "mine")
    said = error()
    assert said.startswith(f"{imagenette.OUT / 'train'}: not the pictures of Imagenette")
    assert tree_id(Path("mine/train")) in said
    assert imagenette.TREES["train"] in said
    assert "data.raw" in said


@pytest.mark.parametrize("named", [True, False])
def test_right_pictures_are_copied(monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    for part in ("train", "val"):
        write_files(Path("mine") / part)
    Path("mine/README.md").write_text("not copied")
    ids = {part: tree_id(Path("mine") / part) for part in ("train", "val")}
    monkeypatch.setattr(imagenette, "TREES", ids)
    if named:
        monkeypatch.setenv("IMAGENETTE_DIR", "mine")
    else:
        monkeypatch.setattr(imagenette, "BESIDE", Path("mine"))
    imagenette.main()
    assert {part: tree_id(imagenette.OUT / part) for part in ids} == ids
    assert {path.name for path in imagenette.OUT.iterdir()} == {"train", "val"}


def test_nothing_reachable_is_told_with_three_ways() -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 443)) == 0:
            pytest.skip("a server answers at 127.0.0.1:443")
    said = error()
    assert said.startswith("127.0.0.1 cannot be reached")
    assert has_three_ways(said)
    assert not imagenette.OUT.exists()


def test_repository_is_read_where_it_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A local repository in the place of the public one, its pictures in a folder of their own
    source = tmp_path / "source"
    for part in ("train", "val"):
        write_files(source / "imagenette" / part)
        (source / "imagenette" / part / "own").write_text(part)
    for file in source.rglob("*"):
        file.chmod(0o755)
    git(source, "init", "--quiet")
    git(source, "add", ".")
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    git(source, *who, "commit", "--quiet", "-m", "Pictures")
    git(source, "config", "uploadpack.allowAnySHA1InWant", "true")
    ids = {part: tree_id(source / "imagenette" / part) for part in ("train", "val")}
    monkeypatch.setattr(imagenette, "TREES", ids)
    monkeypatch.setattr(imagenette, "REPOSITORY", source.as_uri())
    monkeypatch.setattr(imagenette, "COMMIT", git(source, "rev-parse", "HEAD"))
    monkeypatch.setattr(socket, "create_connection", lambda *_: socket.socket())
    imagenette.main()
    assert {part: tree_id(imagenette.OUT / part) for part in ids} == ids
