"""What all stages share: work spread over threads."""

import itertools
import threading

from tench.cli import AHEAD, CORES, in_threads


def test_results_come_in_order_from_as_many_threads_as_cores() -> None:
    together = threading.Barrier(CORES)  # passed only if CORES threads work at a time

    def doubled(number: int) -> int:
        if number < CORES:
            together.wait(timeout=30)
        return 2 * number

    assert list(in_threads(doubled, range(2 * AHEAD + 1))) == list(range(0, 4 * AHEAD + 2, 2))
    assert list(in_threads(doubled, [])) == []


def test_few_items_are_under_way_at_a_time() -> None:
    started: list[int] = []
    results = in_threads(started.append, range(10 * AHEAD))
    list(itertools.islice(results, AHEAD))
    assert AHEAD <= len(started) <= 2 * AHEAD
