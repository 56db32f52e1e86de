"""Fixtures: finished pipelines, copies of them, and an isolated environment."""

import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from browsers import find_browser
from classifier_server import RunningServer, start_server
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from own_images import OwnImagesRun, run_own_images_pipeline
from pipeline_clones import (
    FinishedRun,
    RepeatedRun,
    copy_finished_run,
    run_base_pipeline,
    run_once,
    run_pipeline_again,
)
from playwright.sync_api import Browser, sync_playwright
from report_project import make_report_project

# Inputs per fuzz test: the same 100 in every run, or 10,000 random ones
# (--hypothesis-profile=long). Hypothesis writes nothing into the checkout.
for name, inputs in (("few", 100), ("long", 10_000)):
    settings.register_profile(
        name,
        max_examples=inputs,
        derandomize=name == "few",
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile("few")
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis")

PIPELINES = {
    "finished_run",
    "own_images_run",
}  # fixtures that take minutes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=50, help="kills of the pipeline in tests/faults")


@pytest.hookimpl(trylast=True)  # after the deselection of tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the test files so that two processes rarely wait for each other.

    The first file makes the finished pipeline in one process. Files that need none come next, for
    the other process.
    """
    piped = {item.path for item in items if needs_pipeline(item)}
    first = next((item.path for item in items if item.path in piped), None)
    items.sort(key=lambda item: (item.path != first, item.path in piped))


def needs_pipeline(item: pytest.Item) -> bool:
    """Whether a test needs a finished pipeline."""
    return not PIPELINES.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Isolate git, DVC and Keras from the settings and the home folder of the user."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_SITE_CACHE", "DVC_GLOBAL_CONFIG", "DVC_SYSTEM_CONFIG"):
            patch.setenv(f"{name}_DIR", str(home / name))
        patch.setenv("KERAS_HOME", str(home / "keras"))
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "test")
            patch.setenv(f"GIT_{role}_EMAIL", "test@example.com")
        # dvc starts the stages with the first `python` on the path
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty home folder, and no credentials for any server."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "SSH_"))]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # or botocore queries it for keys
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shared by all test processes, and by other runs if $FINISHED names it."""
    if "FINISHED" in os.environ:
        return Path(os.environ["FINISHED"])
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def finished_run(shared: Path) -> FinishedRun:
    """The finished pipeline on the sample, with the committed parameters. Do not change it."""
    folder = shared / "base"
    return FinishedRun(folder, **run_once(folder, run_base_pipeline))


@pytest.fixture(scope="session")
def second_run(shared: Path, finished_run: FinishedRun) -> RepeatedRun:
    """A second run of the pipeline in another folder, with another hash seed, on one core.

    It reuses the sample and the weights.
    """
    folder = shared / "the second run's földer"
    return RepeatedRun(folder, **run_once(folder, partial(run_pipeline_again, finished_run.folder)))


@pytest.fixture(scope="session")
def own_images_run(shared: Path, finished_run: FinishedRun) -> OwnImagesRun:
    """The finished pipeline on an image folder of a user. Do not change it."""
    folder = shared / "own"
    return OwnImagesRun(
        folder, **run_once(folder, partial(run_own_images_pipeline, finished_run.folder))
    )


@pytest.fixture
def own_project(own_images_run: OwnImagesRun, tmp_path: Path) -> Path:
    """A copy of the finished pipeline on an image folder of a user, for one test."""
    (tmp_path / "own images").symlink_to(own_images_run.folder.with_name("own images"))
    return copy_finished_run(own_images_run.folder, tmp_path / "project")


@pytest.fixture(scope="module")
def unchanged(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished pipeline for the tests of a module, which restore it."""
    return copy_finished_run(finished_run.folder, tmp_path_factory.mktemp("copy") / "project")


@pytest.fixture(scope="module")
def server(
    finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server for the tests of a module; its log must contain no traceback and no file name."""
    with start_server(
        finished_run.folder / "models/export", tmp_path_factory.mktemp("server")
    ) as one:
        yield one
        log = one.log.read_text()
        assert "Traceback" not in log
        assert "secret-name" not in log


@pytest.fixture(scope="module")
def sample_image(finished_run: FinishedRun) -> bytes:
    """An image file of the sample."""
    return sorted((finished_run.folder / "data/sample/val/n01440764").iterdir())[0].read_bytes()


@pytest.fixture
def project(finished_run: FinishedRun, tmp_path: Path) -> Path:
    """A copy of the finished pipeline for one test."""
    return copy_finished_run(finished_run.folder, tmp_path / "project")


@pytest.fixture
def report_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with synthetic results, as the current folder."""
    folder = tmp_path / "report_project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    make_report_project(folder)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = find_browser()
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()
