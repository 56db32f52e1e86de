"""Slow clients of the server, and errors at its start."""

import shutil
import sys
import time
import urllib.request
from pathlib import Path

from classifier_server import (
    RunningServer,
    free_port,
    open_raw_connection,
    read_status,
    request_headers,
)
from pipeline_clones import CHECKOUT, FinishedRun, run_command

from tench.deploy.serve import limits


def get(server: RunningServer, path: str) -> str:
    with urllib.request.urlopen(server.address + path, timeout=60) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def test_slow_clients_time_out(server: RunningServer, sample_image: bytes) -> None:
    """Both wait at the same time, for what they must."""
    before = time.monotonic()
    body = open_raw_connection(server, request_headers(len(sample_image)), sample_image[:10])
    headers = open_raw_connection(server, b"POST /predict HTTP/1.1\r\nHost: a\r\n")
    assert (read_status(body), read_status(headers)) == (408, 408)
    assert time.monotonic() - before < 2 * max(limits.IDLE_TIMEOUT, limits.HEADER_TIMEOUT)
    assert get(server, "health")


def test_start_errors_are_reported_in_a_line(
    finished_run: FinishedRun, server: RunningServer, tmp_path: Path
) -> None:
    export, damaged = finished_run.folder / "models/export", tmp_path / "export"
    shutil.copytree(export, damaged)
    (damaged / "float32.tflite").write_bytes(b"nonsense")
    for model, port, words in (
        (tmp_path, free_port(), "error: {}: no exported classifier there"),
        (
            damaged,
            free_port(),
            "error: {}/float32.tflite: damaged (its content has changed since the export)",
        ),
        (export, server.port, "address already in use"),
    ):
        options = ("--model", str(model), "--port", str(port))
        said = run_command(CHECKOUT, sys.executable, "-m", "tench.serve", *options)
        assert said.returncode != 0
        (line,) = said.stdout.splitlines()
        assert words.format(model) in line
