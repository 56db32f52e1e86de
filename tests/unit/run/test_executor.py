"""Work in threads, and the messages if RAY_ADDRESS is set but no cluster can be used.

tests/cluster/test_ray_cluster.py uses a real cluster.
"""

import itertools
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from classifier_server import CLOSED_PORT, HOST
from pipeline_clones import CHECKOUT, run_command

from tench.core.errors import TenchError
from tench.core.parallel import MAX_PENDING_ITEMS
from tench.run.executor.dispatch import open_executor, uses_cluster
from tench.run.executor.ray_address import RAY_ADDRESS, check_reachable

FREE = f"{HOST}:{CLOSED_PORT}"


def refuse(number: int) -> int:
    raise AssertionError(number)


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RAY_ADDRESS, raising=False)


def test_the_function_is_opened_once_and_results_are_in_order() -> None:
    story: list[str] = []

    @contextmanager
    def opened() -> Iterator[Callable[[int], int]]:
        story.append("opened")
        yield lambda number: 2 * number
        story.append("closed")

    assert not uses_cluster()
    with open_executor(opened, refuse) as mapped:
        assert list(mapped(range(MAX_PENDING_ITEMS + 1))) == list(
            range(0, 2 * MAX_PENDING_ITEMS + 2, 2)
        )
        assert list(mapped(iter([7]))) == [14]
        assert list(mapped([])) == []
        assert story == ["opened"]
    assert story == ["opened", "closed"]


def test_few_items_are_pending_at_a_time() -> None:
    started: list[int] = []

    @contextmanager
    def opened() -> Iterator[Callable[[int], None]]:
        yield started.append

    with open_executor(opened, refuse) as mapped:
        list(itertools.islice(mapped(range(10 * MAX_PENDING_ITEMS)), MAX_PENDING_ITEMS))
    assert MAX_PENDING_ITEMS <= len(started) <= 2 * MAX_PENDING_ITEMS


def test_ray_is_not_imported_without_an_address() -> None:
    modules = (
        "sys, stages.embed, stages.prepare, tench.deploy.predict.command, "
        "tench.run.executor.dispatch"
    )
    code = f"import {modules}; print('ray' in sys.modules)"
    assert run_command(CHECKOUT, sys.executable, "-c", code).stdout == "False\n"


def test_missing_ray_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAY_ADDRESS, FREE)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "tench.run.executor.ray_cluster", raising=False)
    expected = (
        rf"^{RAY_ADDRESS} = {FREE}: Ray is not installed: `uv pip install --group ray`, or unset"
    )
    with pytest.raises(TenchError, match=expected), open_executor(refuse, refuse):
        pass


@pytest.mark.parametrize("address", ["auto", "ray://a:1", "here", ":6379", "a:b", "http://a:1"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(TenchError, match=rf"^{RAY_ADDRESS} = {address}: must be HOST:PORT"):
        check_reachable(address)


def test_where_nobody_listens_there_is_no_cluster() -> None:
    for address in (FREE, "127.0.0.1:99999", "no-such-host.invalid:1"):
        with pytest.raises(
            TenchError, match=rf"^{RAY_ADDRESS} = {address}: no usable Ray cluster.* unset"
        ):
            check_reachable(address)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", None])
def test_an_unexpected_or_missing_response_is_no_cluster(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tench.run.executor.ray_address.TIMEOUT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                if answer is None:
                    connection.recv(100)  # until the other side has had enough
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(TenchError, match=r"no usable Ray cluster: (timed|the server there)"):
            check_reachable(f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()
