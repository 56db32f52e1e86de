"""Work in threads and processes: one per available core."""

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest
from joblib.externals.loky.backend import context

from tench.core.parallel import MAX_PENDING_ITEMS, available_cores, map_in_threads


@pytest.fixture
def _uncached_core_count() -> Iterator[None]:
    """Count the cores again in the test and after it."""
    available_cores.cache_clear()
    yield
    available_cores.cache_clear()


def test_results_are_in_order_from_one_thread_per_core() -> None:
    together = threading.Barrier(available_cores())  # passes only if all cores' threads run at once

    def doubled(number: int) -> int:
        if number < available_cores():
            together.wait(timeout=30)
        return 2 * number

    assert list(map_in_threads(doubled, range(2 * MAX_PENDING_ITEMS + 1))) == list(
        range(0, 4 * MAX_PENDING_ITEMS + 2, 2)
    )
    assert list(map_in_threads(doubled, [])) == []


def test_few_items_are_pending_at_a_time() -> None:
    started: list[int] = []
    results = map_in_threads(started.append, range(10 * MAX_PENDING_ITEMS))
    list(itertools.islice(results, MAX_PENDING_ITEMS))
    assert MAX_PENDING_ITEMS <= len(started) <= 2 * MAX_PENDING_ITEMS


@pytest.mark.usefixtures("_uncached_core_count")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no taskset on this system")
def test_taskset_limits_the_cores() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.usefixtures("_uncached_core_count")
@pytest.mark.parametrize(("quota", "expected"), [(1, 1), (2, 2), (64, 8)])
def test_a_container_quota_limits_the_cores(
    monkeypatch: pytest.MonkeyPatch, quota: int, expected: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(context, "_cpu_count_affinity", lambda cores: cores)
    monkeypatch.setattr(context, "_cpu_count_cgroup", lambda cores: quota)
    assert available_cores() == expected


@pytest.mark.usefixtures("_uncached_core_count")
def test_an_environment_variable_limits_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert available_cores() == 1


def test_processes_exit_with_their_parent() -> None:
    """Workers of Python's own pools wait forever when their parent is killed."""
    code = (
        "from tench.core.parallel import process_pool\n"
        "with process_pool() as pool:\n"
        "    list(pool.map(abs, [1, 2]))\n"
        "    print('at work', flush=True)\n"
        "    input()\n"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdin is not None
    assert started.stdout is not None
    assert started.stdout.readline() == "at work\n"
    workers = psutil.Process(started.pid).children(recursive=True)
    assert workers
    started.kill()
    started.wait()
    started.stdin.close()
    started.stdout.close()
    _, alive = psutil.wait_procs(workers, timeout=30)
    for one in alive:
        one.kill()
    assert alive == []
