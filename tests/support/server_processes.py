"""Processes of a running server, stopped, killed and replaced."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from classifier_server import RunningServer, encode_form, free_port, post_body, start_server
from pipeline_clones import CHECKOUT

TIMEOUT = 2  # seconds


def server_workers(server: RunningServer) -> list[psutil.Process]:
    """The worker processes of a server, which decode and classify images."""
    return psutil.Process(server.process.pid).children()


def recovers(server: RunningServer, image: bytes) -> bool:
    """Whether a request gets a 200 once the new processes are ready, within a minute."""
    until = time.monotonic() + 60
    while (found := post_body(server, image)[0]) == 503:
        assert time.monotonic() < until
    return found == 200


def stop_workers(server: RunningServer) -> None:
    """Suspend all worker processes of a server."""
    for one in server_workers(server):
        one.send_signal(signal.SIGSTOP)


def check_stuck_process_is_replaced(
    export: Path, folder: Path, image: bytes, count: int, extra: int
) -> None:
    """Stop all processes of a server: a request of `count` images gets a 503, and the next a 200.

    Args:
        export: folder of the exported classifier
        folder: for the files of the server
        image: content of an image file
        count: images in the request
        extra: bytes appended to each image
    """
    body = encode_form(*[("a.jpg", image + bytes(extra))] * count)
    with start_server(export, folder, "--timeout", str(TIMEOUT)) as server:
        assert post_body(server, *body)[0] == 200
        before, started = server_workers(server), time.monotonic()
        stop_workers(server)
        code, said = post_body(server, *body)
        assert (code, f"not finished within {TIMEOUT} s" in str(said)) == (503, True)
        assert time.monotonic() - started < TIMEOUT + 2
        assert recovers(server, image)
        until = time.monotonic() + 60
        while len(server_workers(server)) < len(before):  # the others are replaced meanwhile
            assert time.monotonic() < until
        if count > 1:
            assert not set(before) & set(server_workers(server))


def check_killed_start_is_reported(export: Path, name: str) -> None:
    """Kill a process of a server that starts, by the signal of this name: the error is one line."""
    port = free_port()
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
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = said.splitlines()
    number = getattr(signal, name).value
    assert line.startswith("error: a worker process died while starting")
    assert f"killed by signal {number}" in line
    assert not psutil.wait_procs(started, 20)[1]
