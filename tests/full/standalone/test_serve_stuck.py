"""Stuck server processes under load: they are replaced, and the server ends."""

import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from classifier_server import (
    encode_form,
    open_raw_connection,
    post_body,
    read_status,
    start_server,
)
from pipeline_clones import FinishedRun
from server_processes import (
    TIMEOUT,
    check_killed_start_is_reported,
    check_stuck_process_is_replaced,
    recovers,
    server_workers,
    stop_workers,
)


@pytest.mark.parametrize(("count", "extra"), [(12, 0), (1, 2**20)])  # longer than a pipe holds
def test_a_stuck_process_is_replaced(
    finished_run: FinishedRun, tmp_path: Path, sample_image: bytes, count: int, extra: int
) -> None:
    check_stuck_process_is_replaced(
        finished_run.folder / "models/export", tmp_path, sample_image, count, extra
    )


def test_a_process_that_stops_while_it_looks_is_replaced(
    finished_run: FinishedRun, tmp_path: Path, sample_image: bytes
) -> None:
    codes: list[int] = []
    body = encode_form(*[("a.jpg", sample_image)] * 64)
    options = ("--timeout", str(TIMEOUT))
    export = finished_run.folder / "models/export"
    with start_server(export, tmp_path, *options, LOKY_MAX_CPU_COUNT="1") as server:
        (before,) = server_workers(server)
        thread = threading.Thread(target=lambda: codes.append(post_body(server, *body)[0]))
        thread.start()
        time.sleep(0.05)
        before.send_signal(signal.SIGSTOP)
        thread.join(60)
        assert codes == [503]
        assert recovers(server, sample_image)
        assert before not in server_workers(server)


def test_an_image_that_takes_too_long_is_refused(finished_run: FinishedRun, tmp_path: Path) -> None:
    """Decoding holds the process for longer than allowed; only killing it ends that."""
    body = b"P6 8000 8000 255\n" + bytes(31 * 2**20)
    with start_server(
        finished_run.folder / "models/export", tmp_path, "--timeout", "0.02"
    ) as server:
        before = server_workers(server)
        assert post_body(server, body, "image/x-portable-pixmap")[0] == 503
        until = time.monotonic() + 60
        while len(set(before) & set(server_workers(server))) == len(before):
            assert time.monotonic() < until


def test_a_server_with_stopped_processes_ends(finished_run: FinishedRun, tmp_path: Path) -> None:
    with start_server(finished_run.folder / "models/export", tmp_path) as server:
        before = server_workers(server)
        stop_workers(server)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
        assert not psutil.wait_procs(before, 20)[1]


def test_a_client_that_leaves_frees_the_process(
    finished_run: FinishedRun, tmp_path: Path, sample_image: bytes
) -> None:
    with start_server(
        finished_run.folder / "models/export", tmp_path, "--timeout", str(TIMEOUT)
    ) as server:
        stop_workers(server)
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        open_raw_connection(
            server, head + f"Content-Length: {len(sample_image)}\r\n\r\n".encode(), sample_image
        ).close()
        assert recovers(server, sample_image)
        assert (
            read_status(
                open_raw_connection(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            )
            == 200
        )


@pytest.mark.parametrize("name", ["SIGSEGV"])
def test_a_process_killed_while_starting_is_reported_in_a_line(
    finished_run: FinishedRun, name: str
) -> None:
    check_killed_start_is_reported(finished_run.folder / "models/export", name)
