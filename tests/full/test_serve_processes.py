"""The server's processes: a dying worker, a killed or stopped server, a single core."""

import io
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from classifier_server import RunningServer, encode_form, post_body, start_server
from PIL import Image
from pipeline_clones import FinishedRun

from tench.core.parallel import available_cores

pytestmark = pytest.mark.carried


def large(count: int) -> tuple[bytes, str]:
    """Body and Content-Type of a form with large images."""
    out = io.BytesIO()
    Image.new("RGB", (4000, 3000), (200, 120, 40)).save(out, "PNG")
    return encode_form(*((f"{n}.png", out.getvalue()) for n in range(count)))


def workers(server: RunningServer) -> list[psutil.Process]:
    """The worker processes."""
    return psutil.Process(server.process.pid).children()


def test_a_process_that_dies_is_replaced_and_no_request_is_lost(server: RunningServer) -> None:
    before, responses = workers(server), list[tuple[int, Any]]()
    assert len(before) == available_cores()
    thread = threading.Thread(target=lambda: responses.append(post_body(server, *large(40))))
    thread.start()
    time.sleep(0.7)  # the request takes seconds
    assert not responses
    for one in before:
        one.kill()
    thread.join(60)
    code, response = responses[0]
    assert code == 200
    assert all(one["class_name"] for one in response["predictions"])
    after = workers(server)
    assert len(after) == available_cores()
    assert not set(before) & set(after)


def test_an_image_that_kills_two_processes_is_refused(server: RunningServer, fish: bytes) -> None:
    responses: list[int] = []
    thread = threading.Thread(target=lambda: responses.append(post_body(server, *large(40))[0]))
    thread.start()
    time.sleep(0.7)  # the request takes seconds
    until = time.monotonic() + 60
    while not responses:
        assert time.monotonic() < until
        for one in workers(server):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        time.sleep(0.05)
    thread.join()
    assert responses == [503]
    assert post_body(server, fish)[0] == 200


def test_a_server_that_is_killed_leaves_no_process(base: FinishedRun, tmp_path: Path) -> None:
    with start_server(base.folder / "models/export", tmp_path) as one:
        looking = workers(one)
        one.process.kill()
        assert not psutil.wait_procs(looking, 30)[1]


def test_with_one_core_there_is_one_worker(base: FinishedRun, tmp_path: Path, fish: bytes) -> None:
    with start_server(base.folder / "models/export", tmp_path, LOKY_MAX_CPU_COUNT="1") as one:
        assert len(workers(one)) == 1
        assert post_body(one, fish)[1]["predictions"][0]["class_name"] == "fish"


def test_requests_in_flight_are_answered_at_the_end(base: FinishedRun, tmp_path: Path) -> None:
    responses: list[int] = []
    with start_server(base.folder / "models/export", tmp_path) as one:
        looking, bodies = workers(one), [large(8)] * 4
        some = [
            threading.Thread(target=lambda sent=sent: responses.append(post_body(one, *sent)[0]))  # type: ignore[misc]
            for sent in bodies
        ]
        for thread in some:
            thread.start()
        time.sleep(0.7)  # the requests have arrived and take seconds
        assert not responses
        one.process.send_signal(signal.SIGTERM)
        for thread in some:
            thread.join(60)
        assert responses == [200] * 4
        assert (
            one.process.wait(30) == -signal.SIGTERM
        )  # uvicorn raises the signal again after the shutdown
        assert not psutil.wait_procs(looking, 30)[1]
