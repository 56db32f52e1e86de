"""Refuse requests for foreign hosts, against DNS rebinding.

A web page can point its own name at 127.0.0.1. The browser then treats the server as part of that
page and hands it the responses. Only the Host header reveals it.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ANY_HOST = "*"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
HOST_HEADER = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._~-]+))(?::[0-9]*)?", re.IGNORECASE)


def parse_host(header: str) -> str:
    """Host of a Host header, in lower case, without port and brackets.

    Raises:
        ValueError: The header is not valid.
    """
    match = HOST_HEADER.fullmatch(header)
    if not match:
        raise ValueError(f"not a host: {header}")
    return (match[1] or match[2]).lower()


def is_ip_address(host: str, *, unspecified: bool = False) -> bool:
    """Whether a host is an IP address; with `unspecified`, one that stands for all (0.0.0.0)."""
    try:
        return ip_address(host).is_unspecified or not unspecified
    except ValueError:
        return False


class AllowedHosts:
    """ASGI middleware: 421 for foreign hosts, 400 for a missing or invalid Host header.

    A server that listens on all addresses of a machine also accepts any IP address as host: DNS
    rebinding needs a name.

    Args:
        app: The application.
        bound: Host that the server listens on.
        allowed: More hosts, as `parse_host` returns them, or ANY_HOST.
    """

    def __init__(self, app: ASGIApp, bound: str, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = LOCAL_HOSTS | {bound.lower(), *allowed}
        self.accepts_addresses = is_ip_address(bound, unspecified=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ANY_HOST not in self.allowed:
            headers = Headers(scope=scope).getlist("host")
            try:
                (header,) = headers
                host = parse_host(header)
            except ValueError:
                text = "the request needs exactly one valid Host header"
                return await JSONResponse({"detail": text}, 400)(scope, receive, send)
            if host not in self.allowed and not (self.accepts_addresses and is_ip_address(host)):
                text = f"host {host} is not allowed: start the server with --allowed-host NAME"
                return await JSONResponse({"detail": text}, 421)(scope, receive, send)
        return await self.app(scope, receive, send)
