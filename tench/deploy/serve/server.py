"""Running the server: on uvicorn, which ends on SIGTERM once requests in flight are answered."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from socket import socket
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tench.deploy.runtime.export_folder import read_export
from tench.deploy.serve.app import make_app
from tench.deploy.serve.hosts import AllowedHosts
from tench.deploy.serve.limits import HEADER_TIMEOUT
from tench.deploy.serve.workers import open_worker_pool

MAX_CONNECTIONS = 512  # at a time; more are answered 503
SHUTDOWN_TIMEOUT = 30  # seconds that requests in flight have to end
TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class TimeoutProtocol(HttpToolsProtocol):
    """uvicorn's, which waits for a request's headers for ever, with an end to that."""

    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.start_header_timeout()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.start_header_timeout()

    def on_headers_complete(self) -> None:
        self.forget()
        absolute = not self.url.startswith(b"/")  # http://host/path: its host counts
        if absolute and (host := urlsplit(self.url.decode("latin-1")).netloc):  # RFC 9112, 3.2.2
            others = [one for one in self.headers if one[0] != b"host"]
            self.headers[:] = [*others, (b"host", host.encode("latin-1"))]
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.forget()
        super().connection_lost(exc)

    def start_header_timeout(self) -> None:
        """Close the connection unless a request's headers are there in time."""
        self.forget()
        self.deadline = self.loop.call_later(HEADER_TIMEOUT, self.too_slow)

    def forget(self) -> None:
        """No longer wait for headers."""
        if self.deadline:
            self.deadline.cancel()

    def too_slow(self) -> None:
        """Say so, and close."""
        if not self.transport.is_closing():
            self.transport.write(TIMEOUT_RESPONSE)
            self.transport.close()


class AnnouncingServer(uvicorn.Server):
    """uvicorn's, which says where it is as soon as it answers."""

    def __init__(self, config: uvicorn.Config, what: str) -> None:
        super().__init__(config)
        self.what = what

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        address = f"http://{self.config.host}:{self.config.port}/"
        print(f"{address} names images with {self.what}; Ctrl-C stops it", flush=True)


def serve(
    folder: Path,
    runtime: str,
    *,
    host: str,
    port: int,
    allowed_hosts: Sequence[str],
    timeout: float,
) -> None:
    """Serve the export in a folder until told to stop.

    Args:
        folder: of the export.
        runtime: one of RUNTIMES.
        host: name or address to listen at.
        port: to listen at.
        allowed_hosts: more hosts than AllowedHosts allows by itself.
        timeout: seconds for the images of a request.

    Raises:
        TenchError: the export is damaged or missing, or a process could not be started.
    """
    exported = read_export(folder)
    with open_worker_pool(exported, runtime, timeout) as look:
        app = make_app(exported, look, timeout)
        app.add_middleware(AllowedHosts, bound=host, allowed=allowed_hosts)
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=TimeoutProtocol,
            ws="none",
            log_level="warning",
            access_log=False,  # nothing of a request is written down
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
        )
        with suppress(KeyboardInterrupt):  # raised anew once all is answered
            AnnouncingServer(config, f"{folder} ({runtime})").run()
