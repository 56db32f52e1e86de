"""What images, archives and names would have the project do: run a command, write elsewhere."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from pipeline_clones import CHECKOUT, run_command
from small_images import write_small_images

from tench.core.errors import TenchError
from tench.data.sources import imagenette


@pytest.fixture(autouse=True)
def raw_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RAW with two classes, below the current directory."""
    monkeypatch.chdir(tmp_path)
    write_small_images(*(f"{name}/{n}.png" for name in "ab" for n in range(10)))


def test_no_folder_s_name_is_expanded_by_make(tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "Makefile", ".")
    shutil.copy(CHECKOUT / "params.yaml", ".")
    Path(".venv").mkdir()
    Path("requirements.lock").touch()
    Path(".venv/ready").touch()
    name = "$(shell touch pwned)`touch pwned`$$(touch pwned);touch pwned"
    said = run_command(tmp_path, "make", "adopt", f"IMAGES={name}", PYTHONPATH=str(CHECKOUT))
    assert said.stdout.startswith(f"error: {name}: no such folder\n")
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("../out.png", tarfile.REGTYPE, ""),
        ("/tmp/out.png", tarfile.LNKTYPE, "../../out"),
        ("a/link", tarfile.SYMTYPE, "../../../out"),
        ("a/link", tarfile.SYMTYPE, "/etc"),
        ("a/device", tarfile.CHRTYPE, ""),
        ("a/pipe", tarfile.FIFOTYPE, ""),
    ],
)
def test_an_unsafe_archive_is_refused(
    name: str, kind: bytes, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        archive.addfile(member)
    monkeypatch.setattr(imagenette, "check_repository_reachable", lambda _: None)
    monkeypatch.setattr(imagenette, "git_stdout", lambda *_: content.getvalue())
    before = set(tmp_path.rglob("*"))
    with pytest.raises(TenchError, match="holds more than images"):
        imagenette.fetch_repository(tmp_path / "data/imagenette")
    made = {path for path in set(tmp_path.rglob("*")) - before if not path.is_dir()}
    assert not made
