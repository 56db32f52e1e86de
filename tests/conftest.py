"""What tests share: finished pipelines, copies of them, and an environment of their own."""

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

# How many inputs every fuzz test makes: the same few in every run, or ten thousand others each
# time, 100,000 in all (--hypothesis-profile=long). Nothing is kept of them in the checkout.
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
}  # fixtures that take minutes; others ask for them in turn


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=50, help="kills of the pipeline in tests/faults")


@pytest.hookimpl(trylast=True)  # once those are gone that will not run
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of tests into an order in which two test processes seldom wait for each other:
    while one makes the base, for the very first file, the other does files that do not need it."""
    piped = {item.path for item in items if needs_pipeline(item)}
    first = next((item.path for item in items if item.path in piped), None)
    items.sort(key=lambda item: (item.path != first, item.path in piped))


def needs_pipeline(item: pytest.Item) -> bool:
    """Whether a test needs a pipeline that has run to its end."""
    return not PIPELINES.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep git's, DVC's and Keras's files of the user out of the tests, and theirs out of home."""
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
    """A user with an empty home, whom no server knows."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "SSH_"))]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # else asked for keys
        patch.setenv("HOME", str(tmp_path_factory.mktemp("stranger")))
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes of this run share; where $FINISHED names one, with those of
    other runs, so that one after the other finds the pipelines finished."""
    if "FINISHED" in os.environ:
        return Path(os.environ["FINISHED"])
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def finished_run(shared: Path) -> FinishedRun:
    """The finished pipeline on the sample, with the committed parameters. Not to be changed."""
    folder = shared / "base"
    return FinishedRun(folder, **run_once(folder, run_base_pipeline))


@pytest.fixture(scope="session")
def second_run(shared: Path, finished_run: FinishedRun) -> RepeatedRun:
    """The pipeline a second time: another folder, another hash seed, one core. (That the sample and
    the weights come out the same has tests of its own.)"""
    folder = shared / "the twin's földer"
    return RepeatedRun(folder, **run_once(folder, partial(run_pipeline_again, finished_run.folder)))


@pytest.fixture(scope="session")
def own_images_run(shared: Path, finished_run: FinishedRun) -> OwnImagesRun:
    """The finished pipeline on a user's own folder of images. Not to be changed."""
    folder = shared / "own"
    return OwnImagesRun(
        folder, **run_once(folder, partial(run_own_images_pipeline, finished_run.folder))
    )


@pytest.fixture
def own_project(own_images_run: OwnImagesRun, tmp_path: Path) -> Path:
    """A copy of the pipeline on a user's own folder for one test."""
    (tmp_path / "own images").symlink_to(own_images_run.folder.with_name("own images"))
    return copy_finished_run(own_images_run.folder, tmp_path / "project")


@pytest.fixture(scope="module")
def unchanged(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished pipeline for the tests of a module that leave it as it was."""
    return copy_finished_run(finished_run.folder, tmp_path_factory.mktemp("copy") / "project")


@pytest.fixture(scope="module")
def server(
    finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server for the tests of a module, and what its log must never hold."""
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
    """A project made by hand, the current folder."""
    folder = tmp_path / "made"
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
