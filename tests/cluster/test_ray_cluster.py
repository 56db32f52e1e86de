"""Run work on a real Ray cluster of two nodes on this machine, with workers killed."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from classifier_server import CLOSED_PORT, HOST
from pipeline_clones import error_line, read_scored_images, run_command, run_dvc

from tench.core.errors import TenchError
from tench.run.executor.dispatch import open_executor
from tench.run.executor.ray_address import RAY_ADDRESS

ITEMS = 40


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """That of a cluster whose nodes have one core each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray import cloudpickle
        from ray.cluster_utils import Cluster

        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers lack this file
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        cluster.add_node(num_cpus=1)
        yield cluster.address
        cluster.shutdown()


@pytest.fixture
def _spread(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAY_ADDRESS, address)


def whole(item: tuple[int, bytes]) -> tuple[int, bytes]:
    """Make an item as large as a task's share, so that each is one."""
    return item[0], bytes(2**18)


@contextmanager
def opened(mark: Path) -> Iterator[Callable[[tuple[int, bytes]], tuple[int, int, str, list[str]]]]:
    """Yield a function that doubles a number; the first worker that gets 17 kills itself."""
    import ray

    node = ray.get_runtime_context().get_node_id()

    def doubled(item: tuple[int, bytes]) -> tuple[int, int, str, list[str]]:
        if item[0] == 17 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * item[0] + len(item[1]), os.getpid(), node, sorted(os.listdir())  # noqa: PTH208

    yield doubled


@contextmanager
def full() -> Iterator[Callable[[int], int]]:
    """A function that fails on one item."""

    def fail(number: int) -> int:
        if number == 3:
            raise TenchError("no space: free some")
        return number

    yield fail


@pytest.mark.usefixtures("_spread")
def test_two_nodes_share_the_work_and_a_killed_workers_is_done_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stopping = signal.getsignal(signal.SIGTERM)
    with open_executor(partial(opened, tmp_path / "killed"), whole) as mapped:
        results = list(mapped((number, b"") for number in range(ITEMS)))
    numbers, processes, nodes, files = zip(*results, strict=True)
    assert numbers == tuple(2 * number + 2**18 for number in range(ITEMS))
    assert (tmp_path / "killed").exists()
    assert len(set(processes)) >= 3
    assert len(set(nodes)) == 2
    assert all(names == ["tench"] for names in files)  # no file of the caller's folder
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "Ray: A worker died or was killed" in printed.err
    assert signal.getsignal(signal.SIGTERM) == stopping


@pytest.mark.usefixtures("_spread")
def test_an_error_comes_back_as_it_is() -> None:
    with (
        open_executor(full, int) as mapped,
        pytest.raises(TenchError, match=r"^no space: free some$"),
    ):
        list(mapped(range(5)))


@pytest.mark.usefixtures("_spread")
def test_a_node_with_another_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from tench.run.executor import ray_cluster

    others = tuple(
        (name, "0.1" if name == "pillow" else have)
        for name, have in ray_cluster.environment_facts()
    )
    monkeypatch.setattr(ray_cluster, "environment_facts", lambda: others)
    with (
        open_executor(full, int) as mapped,
        pytest.raises(TenchError, match=r"pillow \S+ instead of 0.1"),
    ):
        list(mapped(range(5)))


def kill_a_worker(finished: threading.Event) -> bool:
    """Kill a process of the cluster that is at work, as soon as there is one; return whether there
    was."""
    while not finished.wait(0.05):
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if process.cmdline()[:1] == ["ray::run_chunk"]:
                    process.kill()
                    return True
    return False


@pytest.mark.parametrize("stage", ["prepare", "embed"])
def test_a_stage_writes_the_same_bytes_when_a_worker_is_killed(
    stage: str, unchanged: Path, address: str
) -> None:
    before = (unchanged / "dvc.lock").read_bytes()
    finished = threading.Event()
    with ThreadPoolExecutor() as pool:
        killed = pool.submit(kill_a_worker, finished)
        try:
            again = ("repro", "--force", "--single-item", stage)
            output = run_dvc(unchanged, *again, **{RAY_ADDRESS: address})
        finally:
            finished.set()
    assert killed.result()
    assert "Ray: A worker died or was killed" in output
    assert (unchanged / "dvc.lock").read_bytes() == before


def test_predictions_are_the_same_bytes(unchanged: Path, address: str, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, (file, _) in enumerate(read_scored_images(unchanged)):
        shutil.copy(file, images / f"{number}.jpg")
    (images / "torn.jpg").write_bytes((images / "1.jpg").read_bytes()[:900])
    (images / "empty.jpg").touch()
    command = (sys.executable, "-m", "tench.predict", str(images), "none.jpg", "--explain")
    said = {}
    for where, variables in (("here", {}), ("there", {RAY_ADDRESS: address})):
        done = run_command(unchanged, *command, str(tmp_path / "shown"), **variables)
        assert done.returncode == 0, done.stdout
        rows = [line for line in done.stdout.splitlines() if line.count(",") > 5]
        shown = {file.name: file.read_bytes() for file in (tmp_path / "shown").iterdir()}
        said[where] = rows, shown
        shutil.rmtree(tmp_path / "shown")
    assert len(said["here"][0]) == 44  # 40 images, a header, and three that cannot be read
    assert len(said["here"][1]) == 40
    assert said["here"] == said["there"]


def test_a_stage_reports_a_missing_cluster_in_one_line(unchanged: Path) -> None:
    where = f"{HOST}:{CLOSED_PORT}"
    command = (sys.executable, "-m", "tench.predict", "data/sample")
    done = run_command(unchanged, *command, **{RAY_ADDRESS: where})
    assert done.returncode == 1
    assert error_line(done.stdout).startswith(
        f"error: {RAY_ADDRESS} = {where}: no usable Ray cluster"
    )
