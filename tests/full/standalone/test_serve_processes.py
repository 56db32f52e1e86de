"""The server's processes: one that dies, the server killed, stopped, and on one core."""

import io
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from classifier_server import RunningServer, encode_form, post_body, start_server
from PIL import Image
from pipeline_clones import FinishedRun

from tench.core.parallel import available_cores


def large(count: int) -> tuple[bytes, str]:
    """A form of large images, and its type."""
    out = io.BytesIO()
    Image.new("RGB", (4000, 3000), (200, 120, 40)).save(out, "PNG")
    return encode_form(*((f"{n}.png", out.getvalue()) for n in range(count)))


def workers(server: RunningServer) -> list[psutil.Process]:
    """The processes that look at images."""
    return psutil.Process(server.process.pid).children()


def test_a_process_that_dies_is_replaced_and_no_request_with_it(server: RunningServer) -> None:
    before, answers = workers(server), list[tuple[int, Any]]()
    assert len(before) == available_cores()
    thread = threading.Thread(target=lambda: answers.append(post_body(server, *large(40))))
    thread.start()
    time.sleep(0.7)  # it takes seconds
    assert not answers
    for one in before:
        one.kill()
    thread.join(60)
    code, said = answers[0]
    assert code == 200
    assert all(one["class_name"] for one in said["predictions"])
    after = workers(server)
    assert len(after) == available_cores()
    assert not set(before) & set(after)


def test_an_image_that_ends_process_after_process_is_refused(
    server: RunningServer, sample_image: bytes
) -> None:
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(post_body(server, *large(40))[0]))
    thread.start()
    time.sleep(0.7)  # it takes seconds
    until = time.monotonic() + 60
    while not answers:
        assert time.monotonic() < until
        for one in workers(server):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        time.sleep(0.05)
    thread.join()
    assert answers == [503]
    assert post_body(server, sample_image)[0] == 200


def test_a_server_that_is_killed_leaves_no_process(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    with start_server(finished_run.folder / "models/export", tmp_path) as one:
        looking = workers(one)
        one.process.kill()
        assert not psutil.wait_procs(looking, 30)[1]


def test_with_one_core_one_process_looks_at_images(
    finished_run: FinishedRun, tmp_path: Path, sample_image: bytes
) -> None:
    with start_server(
        finished_run.folder / "models/export", tmp_path, LOKY_MAX_CPU_COUNT="1"
    ) as one:
        assert len(workers(one)) == 1
        assert post_body(one, sample_image)[1]["predictions"][0]["class_name"] == "fish"


def test_requests_in_flight_are_completed_at_shutdown(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    answers: list[int] = []
    with start_server(finished_run.folder / "models/export", tmp_path) as one:
        looking, bodies = workers(one), [large(8)] * 4
        some = [
            threading.Thread(target=lambda sent=sent: answers.append(post_body(one, *sent)[0]))  # type: ignore[misc]
            for sent in bodies
        ]
        for thread in some:
            thread.start()
        time.sleep(0.7)  # they have arrived, and take seconds
        assert not answers
        one.process.send_signal(signal.SIGTERM)
        for thread in some:
            thread.join(60)
        assert answers == [200] * 4
        assert one.process.wait(30) == -signal.SIGTERM  # uvicorn's way, once all is answered
        assert not psutil.wait_procs(looking, 30)[1]
