"""Refuse requests that name another host than the server's.

A web page can let its own name lead to 127.0.0.1 (DNS rebinding). The browser then takes the server
for part of that page, and hands it what the server answers. Only the Host header tells.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ANY = "*"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
HEADER = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._~-]+))(?::[0-9]*)?", re.IGNORECASE)


def host_of(header: str) -> str:
    """The host in a Host header, lower case, without port and brackets. ValueError: it has none."""
    found = HEADER.fullmatch(header)
    if not found:
        raise ValueError(f"not a host: {header}")
    return (found[1] or found[2]).lower()


def is_address(host: str, *, unspecified: bool = False) -> bool:
    """Whether a host is an IP address, or with `unspecified` one that stands for all (0.0.0.0)."""
    try:
        return ip_address(host).is_unspecified or not unspecified
    except ValueError:
        return False


class AllowedHosts:
    """An ASGI middleware: 421 to requests for other hosts, 400 to those that name none.

    A server that listens at all of a machine's addresses also answers to any IP address: whoever
    asks for an address, not a name, cannot have been led astray by a name.

    Args:
        app: to which other requests go.
        bound: the host that the server listens at.
        allowed: more hosts, as `host_of` gives them; ANY for all.
    """

    def __init__(self, app: ASGIApp, bound: str, allowed: Collection[str]) -> None:
        self.app = app
        self.allowed = LOCAL | {bound.lower(), *allowed}
        self.addresses = is_address(bound, unspecified=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ANY not in self.allowed:
            named = Headers(scope=scope).getlist("host")
            try:
                (header,) = named
                host = host_of(header)
            except ValueError:
                refusal = JSONResponse({"detail": "not a request with one valid Host header"}, 400)
                return await refusal(scope, receive, send)
            if host not in self.allowed and not (self.addresses and is_address(host)):
                text = f"this server does not answer for {host}: start it with --allowed-host NAME"
                return await JSONResponse({"detail": text}, 421)(scope, receive, send)
        return await self.app(scope, receive, send)
