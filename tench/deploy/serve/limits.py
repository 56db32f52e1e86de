"""What a request may cost: bytes, memory of all requests together, and the client's time."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request

MIB = 2**20
MAX_BODY = 32 * MIB  # of a request: a phone's largest photographs have 20
MAX_BODY_READ = (
    4 * MAX_BODY
)  # said to be no longer, a body is read and dropped before it is refused:
# a client that is still sending would see a broken connection instead of the reason
MAX_IMAGES = 64  # in a request
MAX_TOTAL_BODIES = 256 * MIB  # bytes of bodies held at a time, by all requests together
IDLE_TIMEOUT = 10  # seconds without a byte of the body
BODY_TIMEOUT = 60  # seconds for the whole of it
HEADER_TIMEOUT = 10  # seconds for a request's headers


class MemoryBudget:
    """How many bytes of bodies are held by all requests together; used by one thread alone."""

    def __init__(self) -> None:
        self.bytes = 0

    @contextmanager
    def room(self) -> Iterator["MemoryReservation"]:
        """Room for one request's body, given back at the end."""
        room = MemoryReservation(self)
        try:
            yield room
        finally:
            self.bytes -= room.bytes


class MemoryReservation:
    """What one request holds."""

    def __init__(self, held: MemoryBudget) -> None:
        self.held, self.bytes = held, 0

    def take(self, count: int) -> None:
        """Take room for `count` more bytes. HTTPException: 413 too large, 503 no room now."""
        if self.bytes + count > MAX_BODY:
            raise body_too_large_error()
        if self.held.bytes + count > MAX_TOTAL_BODIES:
            raise HTTPException(503, "busy: try again", {"Retry-After": "1"})
        self.bytes += count
        self.held.bytes += count


def body_too_large_error() -> HTTPException:
    """The answer to a body over MAX_BODY."""
    text = f"a request may have {MAX_BODY // MIB} MiB: send fewer or smaller images"
    return HTTPException(413, text, {"Connection": "close"})


async def read_body(request: Request, room: MemoryReservation) -> AsyncGenerator[bytes, None]:
    """The parts of a request's body, as they come.

    Raises:
        HTTPException: 413 too large, 408 too slow, 503 no room.
        ClientDisconnect: the client has left.
    """
    length = request.headers.get("content-length", "0")
    said = int(length) if length.isdecimal() else 0
    if said > MAX_BODY_READ:
        raise body_too_large_error()
    parts = aiter(request.stream())
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            while True:
                async with asyncio.timeout(IDLE_TIMEOUT):
                    part = await anext(parts, None)
                if part is None:
                    break
                if said <= MAX_BODY:
                    room.take(len(part))
                    yield part
    except TimeoutError:
        text = f"too slow: nothing for {IDLE_TIMEOUT} s, or not all within {BODY_TIMEOUT} s"
        raise HTTPException(408, text, {"Connection": "close"}) from None
    if said > MAX_BODY:
        raise body_too_large_error()
