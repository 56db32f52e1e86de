"""Experiments on images in the project: git gets none of them, whatever way an experiment runs."""

from pathlib import Path

import pytest
from PIL import Image
from pipeline_clones import clone_checkout, run_dvc, run_dvc_failing, run_git, set_params
from test_pipeline_experiments import wait_for_queue


@pytest.fixture
def cloned(tmp_path: Path) -> Path:
    """A clone in which data.raw names an untracked folder, flowers, in the project."""
    project = tmp_path / "project"
    project.mkdir()
    clone_checkout(project)
    for number, name in enumerate("ab"):
        for n in range(12):
            file = project / f"flowers/{name}/{n}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (9 * n, 80 * number, n)).save(file)
    set_params(project, {"data.raw": "flowers", "data.classes": None})
    return project


def experiments(project: Path) -> list[str]:
    """The commits of all experiments."""
    refs = run_git(project, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    own = ("refs/exps/exec/", "refs/exps/celery/")  # of DVC itself
    return [ref for ref in refs if not ref.startswith(own)]


def images_in_git(project: Path) -> list[str]:
    """What any commit of any ref or stash, and the index, has of the folder."""
    commits = run_git(project, "rev-list", "--all", "--reflog").split()
    trees = "".join(run_git(project, "ls-tree", "-r", commit) for commit in commits)
    trees += run_git(project, "ls-files", "--stage")
    return [line for line in trees.splitlines() if "flowers" in line]


def start(project: Path, mode: str, size: int) -> None:
    """Run an experiment that prepares the images at a size; it need not succeed."""
    settings = ("-S", f"data.image_size={size}", "prepare")
    if mode == "--queue":
        run_dvc(project, "exp", "run", "--queue", *settings)
        run_dvc(project, "queue", "start", "--jobs", "1")
        wait_for_queue(project)
    elif experiments_allowed(project):
        run_dvc(project, "exp", "run", *filter(None, [mode]), *settings)
    else:
        output = run_dvc_failing(project, "exp", "run", *filter(None, [mode]), *settings)
        assert "printf '%s\\n' /flowers >> .gitignore" in output


def experiments_allowed(project: Path) -> bool:
    """Whether git sees none of the images."""
    return not run_git(project, "ls-files", "--others", "--exclude-standard", "--", "flowers")


@pytest.mark.parametrize("mode", ["", "--temp", "--queue"])
def test_no_experiment_holds_an_image(cloned: Path, mode: str) -> None:
    start(cloned, mode, 40)
    assert experiments(cloned) == []  # refused
    assert images_in_git(cloned) == []
    with (cloned / ".git/info/exclude").open("a") as file:  # which a temporary folder lacks
        file.write("/flowers\n")
    start(cloned, mode, 48)
    assert len(experiments(cloned)) == 1
    assert images_in_git(cloned) == []
