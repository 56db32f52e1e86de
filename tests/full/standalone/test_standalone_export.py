"""The export where nothing else is: an environment of requirements-serve.lock alone, as nobody,
with all files read-only, by the Dockerfile's own commands."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from classifier_server import RunningServer, free_port, post_body, start_server, wait_until_ready
from pipeline_clones import CHECKOUT, FinishedRun, run_command


def instructions() -> dict[str, list[str]]:
    """The Dockerfile's instructions by name, in their order."""
    found: dict[str, list[str]] = {}
    for line in (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", " ")):
            name, rest = line.split(" ", 1)
            found.setdefault(name, []).append(rest)
    return found


@pytest.fixture(scope="module")
def image(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image would hold, below a folder in the place of /."""
    root = tmp_path_factory.mktemp("image")
    for copied in instructions()["COPY"]:
        source, target = copied.split()
        place = root / target.removeprefix("/")
        top = finished_run.folder if source.startswith("models") else CHECKOUT
        if (top / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(top / source, place, ignore=ignored)
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(top / source, place)
    (installing,) = instructions()["RUN"]
    pip, *options = shlex.split(installing)
    assert pip == "pip"
    options = [str(root) + one if one.startswith("/app") else one for one in options]
    made = run_command(root, sys.executable, "-m", "venv", "venv")
    assert made.returncode == 0, made.stdout
    installed = run_command(
        root, str(root / "venv/bin/pip"), "--disable-pip-version-check", *options
    )
    assert installed.returncode == 0, installed.stdout
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222 | (0o555 if path.is_dir() else 0o444))
    for path in root.parents[:3]:  # the user must come by
        if path.is_relative_to(tmp_path_factory.getbasetemp().parent):
            path.chmod(path.stat().st_mode | 0o011)
    return root


def nobody(python: str) -> dict[str, Any]:
    """The Dockerfile's user for subprocess, where this user may start as it, and it Python."""
    user, group = map(int, instructions()["USER"][0].split(":"))
    who = {"user": user, "group": group, "extra_groups": []}
    try:
        return who if subprocess.run([python, "-c", ""], check=False, **who).returncode == 0 else {}
    except PermissionError:
        return {}


def as_nobody(image: Path, *command: str) -> subprocess.Popen[str]:
    """Start a command in the image's folder, as the Dockerfile's user where one may."""
    python = str(image / "venv/bin/python")
    who = nobody(python)
    variables = {"PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    return subprocess.Popen(
        [python, *command],
        cwd=image / "app",
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **who,
    )


@pytest.fixture(scope="module")
def server(image: Path) -> Iterator[RunningServer]:
    """The image's server, at another port."""
    entry = json.loads(instructions()["ENTRYPOINT"][0])
    assert entry[0] == "python"
    arguments = [str(image) + one if one.startswith("/") else one for one in entry[1:]]
    port = free_port()
    process = as_nobody(image, *arguments, "--port", str(port))
    one = RunningServer(port, process, image / "none")
    wait_until_ready(one)
    yield one
    process.terminate()
    said, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM, said
    assert "Traceback" not in said


def test_the_server_needs_no_more(finished_run: FinishedRun, server: RunningServer) -> None:
    image = min((finished_run.folder / "data/sample/val/n02102040").iterdir())
    code, said = post_body(server, image.read_bytes(), path="predict?explain=true")
    assert code == 200
    assert said["predictions"][0]["class_name"] == "dog"


def test_the_health_check_of_the_image_passes(image: Path, server: RunningServer) -> None:
    check = json.loads(instructions()["HEALTHCHECK"][0].removeprefix("CMD "))
    code = check[2].replace("8000", str(server.port))
    process = as_nobody(image, "-c", code)
    assert process.wait(30) == 0


def test_predict_needs_no_more(finished_run: FinishedRun, image: Path) -> None:
    folder = finished_run.folder / "data/sample/val/n02102040"
    model = str(image / "model")
    process = as_nobody(image, "-m", "tench.predict", "--model", model, str(folder))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    named = [row.split(",")[1] for row in said.splitlines()[1:]]
    assert len(named) == 20
    assert named.count("dog") > 15


def test_under_load_nothing_fails_and_memory_stays(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    from benchmarks.serving import run_clients

    files = sorted((finished_run.folder / "data/sample/val").glob("*/*.jpg"))[::8]
    contents = [file.read_bytes() for file in files]
    with start_server(finished_run.folder / "models/export", tmp_path) as one:
        run_clients(contents, one.port, one.process.pid, clients=32, seconds=3)
        load = run_clients(contents, one.port, one.process.pid, clients=32, seconds=10)
    assert set(load.statuses) == {200}
    assert len(load.durations) > 100
    assert load.memory[-1] < load.memory[0] + 20
