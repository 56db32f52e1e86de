"""Raw images and git: what `dvc exp run` would commit is refused, by `adopt` and the stages."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_clones import CHECKOUT, run_git

from stages import prepare
from stages.raw import check_raw_folder
from tench.core.errors import TenchError
from tench.core.gitignore import ignore_line
from tench.data.ingest.privacy import check_private, exposed

RAW = Path("data/flowers")
NAMES = [
    "flowers",
    "data/my flowers",
    "#1",
    "!x",
    "a*b",
    "what?",
    "[x]",
    "a\\b",
    "end ",
    "'q' \"r\"",
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with RAW in it, the current folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    run_git(folder, "init", "--quiet")
    write(RAW)
    return folder


def write(raw: Path) -> None:
    """Write two classes of files into a folder."""
    for name in ("a/1.png", "b/2.jpg"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text("image")


def committed_by_git(project: Path) -> set[str]:
    """The files that git would commit."""
    run_git(project, "add", "--all")
    return set(filter(None, run_git(project, "ls-files", "-z").split("\0")))


def refused(raw: str | Path) -> str:
    """The error of both stages for a raw folder, which is the same."""
    with pytest.raises(TenchError) as caught:
        check_raw_folder(str(raw))
    with pytest.raises(TenchError) as again:
        check_private(Path(raw))
    assert str(caught.value) == str(again.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["data/flowers", "./data/flowers/", "data/../data/flowers"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_folder_that_git_sees_is_refused_however_it_is_named(
    project: Path, form: str, absolute: bool
) -> None:
    said = refused(project / form if absolute else form)
    assert said.index("printf '%s\\n' /data/flowers >> .gitignore") < said.index("dvc add")
    assert "git does not ignore data/flowers/a/1.png" in said


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tracked", [False, True])
def test_the_first_command_of_the_message_keeps_a_folder_of_any_name_out_of_git(
    project: Path, name: str, tracked: bool
) -> None:
    write(Path(name))
    if tracked:
        run_git(project, "add", "--", name)
    command = refused(name).splitlines()[1]
    subprocess.run(["sh", "-c", command], check=True, cwd=project)
    check_raw_folder(name)
    assert committed_by_git(project) & {f"{name}/a/1.png", f"{name}/b/2.jpg"} == set()


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        ("/data/flowers", ""),
        ("flowers/", ""),
        ("data", ""),
        ("/data/flowers/*", ""),
        ("*.png\n*.jpg", ""),
        ("*.png", "data/flowers/b/2.jpg"),
        ("/flowers", "data/flowers/a/1.png"),
        ("/data/flowers/*\n!/data/flowers/b", "data/flowers/b/2.jpg"),
    ],
)
@pytest.mark.parametrize("file", [".gitignore", ".git/info/exclude"])
def test_any_file_that_git_sees_counts(lines: str, seen: str, file: str) -> None:
    Path(file).write_text(f"{lines}\n")
    assert exposed(RAW, Path.cwd()) == (seen, False)


def test_what_git_tracks_is_refused_though_it_is_ignored(project: Path) -> None:
    run_git(project, "add", "--", str(RAW))
    Path(".gitignore").write_text("/data/flowers\n")
    assert "git tracks data/flowers/a/1.png" in refused(RAW)


def test_a_repository_of_its_own_and_a_link_are_seen(project: Path, tmp_path: Path) -> None:
    run_git(project / RAW, "init", "--quiet")
    run_git(project / RAW, "add", "--all")
    run_git(project / RAW, "commit", "--quiet", "--message=test")
    refused(RAW)
    write(tmp_path / "far")
    Path("near").symlink_to(tmp_path / "far")
    refused("near")
    Path(".gitignore").write_text("/near/\n")  # which a link does not match
    refused("near")
    Path(".gitignore").write_text("/near\n")
    check_raw_folder("near")


def test_folders_elsewhere_and_projects_without_git_are_no_concern(
    project: Path, tmp_path: Path
) -> None:
    write(tmp_path / "far")
    for raw in ("../far", str(tmp_path / "far")):
        check_raw_folder(raw)
    shutil.rmtree(project / ".git")
    check_raw_folder(str(RAW))


def test_a_failing_git_gives_no_permission(project: Path) -> None:
    (project / ".git/HEAD").write_text("nonsense")
    assert "cannot check whether git would commit these images: fatal:" in refused(RAW)


def test_prepare_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `raw` does not run where data.raw is what it was."""
    text = (CHECKOUT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("raw: data/imagenette", f"raw: {RAW}"))
    with pytest.raises(TenchError, match="git does not ignore data/flowers/a/1"):
        prepare.main()
    assert not Path("data/prepared").exists()


@given(st.text(st.characters(exclude_characters="/\0\n\r", exclude_categories=["Cs"]), min_size=1))
def test_a_line_of_gitignore_matches_its_folder_alone(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    if name in {".", ".."} or len(name.encode()) > 255:
        return
    folder = tmp_path_factory.getbasetemp() / "ignoring"
    if not folder.exists():
        folder.mkdir()
        run_git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text(f"{ignore_line(Path(name))}\n", encoding="utf-8")
    for path, matched in ((name, True), (f"x{name}", False), (f"{name}x", False)):
        command = ["git", "check-ignore", "--quiet", "--", f"./{path}"]
        answer = subprocess.run(command, cwd=folder, check=False)
        assert (answer.returncode == 0) == matched, (name, path)
