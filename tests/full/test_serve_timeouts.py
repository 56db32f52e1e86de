"""Timeouts: a request gets a 503, and a stuck process is replaced."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from classifier_server import (
    RunningServer,
    encode_form,
    free_port,
    open_raw_connection,
    post_body,
    read_status,
    start_server,
)
from pipeline_clones import CHECKOUT, FinishedRun

TIMEOUT = 2  # seconds


def workers(server: RunningServer) -> list[psutil.Process]:
    """The worker processes."""
    return psutil.Process(server.process.pid).children()


def answers_again(server: RunningServer, image: bytes) -> bool:
    """Whether a request succeeds once the new processes are ready."""
    until = time.monotonic() + 60
    while (found := post_body(server, image)[0]) == 503:
        assert time.monotonic() < until
    return found == 200


def stop(server: RunningServer) -> None:
    """Stop all worker processes."""
    for one in workers(server):
        one.send_signal(signal.SIGSTOP)


@pytest.mark.parametrize(
    ("count", "extra"),
    [
        (1, 0),
        pytest.param(12, 0, marks=pytest.mark.carried),
        pytest.param(1, 2**20, marks=pytest.mark.carried),  # larger than the buffer of a pipe
    ],
)
def test_a_stuck_process_is_replaced(
    base: FinishedRun, tmp_path: Path, fish: bytes, count: int, extra: int
) -> None:
    body = encode_form(*[("a.jpg", fish + bytes(extra))] * count)
    with start_server(base.folder / "models/export", tmp_path, "--timeout", str(TIMEOUT)) as server:
        assert post_body(server, *body)[0] == 200
        before, started = workers(server), time.monotonic()
        stop(server)
        code, response = post_body(server, *body)
        assert (code, f"not finished within {TIMEOUT} s" in str(response)) == (503, True)
        assert time.monotonic() - started < TIMEOUT + 2
        assert answers_again(server, fish)
        until = time.monotonic() + 60
        while len(workers(server)) < len(before):  # the others are replaced meanwhile
            assert time.monotonic() < until
        if count > 1:
            assert not set(before) & set(workers(server))


@pytest.mark.carried
def test_a_process_that_stops_while_predicting_is_replaced(
    base: FinishedRun, tmp_path: Path, fish: bytes
) -> None:
    codes: list[int] = []
    body = encode_form(*[("a.jpg", fish)] * 64)
    options = ("--timeout", str(TIMEOUT))
    export = base.folder / "models/export"
    with start_server(export, tmp_path, *options, LOKY_MAX_CPU_COUNT="1") as server:
        (before,) = workers(server)
        thread = threading.Thread(target=lambda: codes.append(post_body(server, *body)[0]))
        thread.start()
        time.sleep(0.05)
        before.send_signal(signal.SIGSTOP)
        thread.join(60)
        assert codes == [503]
        assert answers_again(server, fish)
        assert before not in workers(server)


@pytest.mark.carried
def test_an_image_that_takes_too_long_is_refused(base: FinishedRun, tmp_path: Path) -> None:
    """Decoding blocks the process beyond the timeout; only killing it helps."""
    body = b"P6 8000 8000 255\n" + bytes(31 * 2**20)
    with start_server(base.folder / "models/export", tmp_path, "--timeout", "0.02") as server:
        before = workers(server)
        assert post_body(server, body, "image/x-portable-pixmap")[0] == 503
        until = time.monotonic() + 60
        while len(set(before) & set(workers(server))) == len(before):
            assert time.monotonic() < until


@pytest.mark.carried
def test_a_server_with_stopped_processes_ends(base: FinishedRun, tmp_path: Path) -> None:
    with start_server(base.folder / "models/export", tmp_path) as server:
        before = workers(server)
        stop(server)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
        assert not psutil.wait_procs(before, 20)[1]


@pytest.mark.carried
def test_a_client_that_leaves_frees_the_process(
    base: FinishedRun, tmp_path: Path, fish: bytes
) -> None:
    with start_server(base.folder / "models/export", tmp_path, "--timeout", str(TIMEOUT)) as server:
        stop(server)
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        open_raw_connection(
            server, head + f"Content-Length: {len(fish)}\r\n\r\n".encode(), fish
        ).close()
        assert answers_again(server, fish)
        assert (
            read_status(
                open_raw_connection(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            )
            == 200
        )


@pytest.mark.parametrize("name", ["SIGKILL", pytest.param("SIGSEGV", marks=pytest.mark.carried)])
def test_a_process_killed_while_starting_gives_one_line(base: FinishedRun, name: str) -> None:
    export, port = base.folder / "models/export", free_port()
    options = ("--model", str(export), "--port", str(port))
    command = [sys.executable, "-m", "tench.serve", *options]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        until = time.monotonic() + 60
        while not (started := psutil.Process(process.pid).children()):
            assert time.monotonic() < until
            time.sleep(0.01)
        started[0].send_signal(getattr(signal, name))
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = output.splitlines()
    number = getattr(signal, name).value
    assert line.startswith("error: a worker process died while starting")
    assert f"killed by signal {number}" in line
    assert not psutil.wait_procs(started, 20)[1]
