"""Start a server under test, and send it raw requests."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_clones import CHECKOUT

from benchmarks.listening import wait_until_listening

HOST = "127.0.0.1"
CLOSED_PORT = 1  # nothing listens there (tcpmux)
UNREACHABLE_URL = f"http://{HOST}:{CLOSED_PORT}"


class RunningServer(NamedTuple):
    """A running server."""

    port: int
    process: subprocess.Popen[str]
    log: Path

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/"


def free_port() -> int:
    """A free port."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


@contextmanager
def start_server(
    export: Path, folder: Path, *options: str, **variables: str
) -> Iterator[RunningServer]:
    """Start a server for an export; its output goes to a file in `folder`."""
    port, log = free_port(), folder / "server.log"
    command = ("-m", "tench.serve", "--model", str(export), "--port", str(port), *options)
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=CHECKOUT,
            env=os.environ | variables,
            stdout=out,
            stderr=out,
            text=True,
        )
    server = RunningServer(port, process, log)
    try:
        wait_until_ready(server)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_until_ready(server: RunningServer) -> None:
    """Wait until the server accepts connections."""
    assert wait_until_listening(server.port), server.log.read_text()


def post_body(
    server: RunningServer, body: bytes, kind: str = "image/jpeg", path: str = "predict"
) -> tuple[int, Any]:
    """POST a body; return the status and the parsed JSON."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    connection.request("POST", f"/{path}", body, {"Content-Type": kind} if kind else {})
    response = connection.getresponse()
    parsed = json.loads(response.read())
    connection.close()
    return response.status, parsed


def encode_form(*files: tuple[str, bytes]) -> tuple[bytes, str]:
    """Body and Content-Type of a form with files."""
    parts = b"".join(
        b'--cut\r\nContent-Disposition: form-data; name="images"; filename="'
        + name.encode()
        + b'"\r\nContent-Type: image/jpeg\r\n\r\n'
        + content
        + b"\r\n"
        for name, content in files
    )
    return parts + b"--cut--\r\n", "multipart/form-data; boundary=cut"


def open_raw_connection(server: RunningServer, *parts: bytes, pause: float = 0) -> socket.socket:
    """Open a connection and send parts, with pauses in between."""
    connection = socket.create_connection((HOST, server.port), 60)
    for part in parts:
        connection.sendall(part)
        time.sleep(pause)
    return connection


def request_headers(length: int, kind: str = "image/jpeg") -> bytes:
    """Headers of a request with a body of `length` bytes."""
    lines = (
        "POST /predict HTTP/1.1",
        f"Host: {HOST}",
        f"Content-Type: {kind}",
        f"Content-Length: {length}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def read_status(connection: socket.socket) -> int:
    """Status of the response on a connection."""
    with connection, connection.makefile("rb") as file:
        return int(file.readline().split()[1])
