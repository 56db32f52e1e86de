"""Run the application on uvicorn, which completes requests in flight on SIGTERM."""

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

MAX_CONNECTIONS = 512  # more get a 503
SHUTDOWN_TIMEOUT = 30  # seconds for requests in flight at shutdown
TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class TimeoutProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a timeout for a request's headers."""

    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.start_header_timeout()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.start_header_timeout()

    def on_headers_complete(self) -> None:
        self.cancel_header_timeout()
        # an absolute URL (http://host/path) overrides the Host header: RFC 9112, 3.2.2
        absolute = not self.url.startswith(b"/")
        if absolute and (host := urlsplit(self.url.decode("latin-1")).netloc):
            others = [header for header in self.headers if header[0] != b"host"]
            self.headers[:] = [*others, (b"host", host.encode("latin-1"))]
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.cancel_header_timeout()
        super().connection_lost(exc)

    def start_header_timeout(self) -> None:
        """Close the connection unless the headers arrive within HEADER_TIMEOUT."""
        self.cancel_header_timeout()
        self.deadline = self.loop.call_later(HEADER_TIMEOUT, self.close_slow_connection)

    def cancel_header_timeout(self) -> None:
        """Stop the timeout."""
        if self.deadline:
            self.deadline.cancel()

    def close_slow_connection(self) -> None:
        """Respond 408 and close the connection."""
        if not self.transport.is_closing():
            self.transport.write(TIMEOUT_RESPONSE)
            self.transport.close()


class AnnouncingServer(uvicorn.Server):
    """uvicorn's server, which prints its URL once it accepts connections."""

    def __init__(self, config: uvicorn.Config, model: str) -> None:
        super().__init__(config)
        self.model = model

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        address = f"http://{self.config.host}:{self.config.port}/"
        print(f"Serving {self.model} at {address} (Ctrl-C to stop)", flush=True)


def serve(
    folder: Path,
    runtime: str,
    *,
    host: str,
    port: int,
    allowed_hosts: Sequence[str],
    timeout: float,
) -> None:
    """Serve an exported classifier until SIGTERM or SIGINT.

    Args:
        folder: The export folder.
        runtime: One of RUNTIMES.
        host: Name or address to listen on.
        port: Port to listen on.
        allowed_hosts: More hosts to accept, see AllowedHosts.
        timeout: Time limit for the images of a request, in seconds.

    Raises:
        TenchError: The export is missing or damaged, or a worker could not start.
    """
    exported = read_export(folder)
    with open_worker_pool(exported, runtime, timeout) as predict_upload:
        app = make_app(exported, predict_upload, timeout)
        app.add_middleware(AllowedHosts, bound=host, allowed=allowed_hosts)
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=TimeoutProtocol,
            ws="none",
            log_level="warning",
            access_log=False,  # requests are not logged
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
        )
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after the shutdown
            AnnouncingServer(config, f"{folder} ({runtime})").run()
