"""Limits of a request: size of its body, memory of all bodies, and the client's time."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request

MIB = 2**20
MAX_BODY = 32 * MIB  # bytes; the largest photographs of phones have 20 MiB
# A body of up to this size is read and dropped before it is refused: a client that is still
# sending would see a broken connection instead of the reason.
MAX_BODY_READ = 4 * MAX_BODY
MAX_IMAGES = 64  # per request
MAX_TOTAL_BODIES = 256 * MIB  # bytes in memory at a time, of all requests together
IDLE_TIMEOUT = 10  # seconds without a byte of the body
BODY_TIMEOUT = 60  # seconds for the whole body
HEADER_TIMEOUT = 10  # seconds for the headers


class MemoryBudget:
    """Bytes of bodies in memory, of all requests together. Not thread-safe."""

    def __init__(self) -> None:
        self.bytes = 0

    @contextmanager
    def reserve(self) -> Iterator["MemoryReservation"]:
        """Open a reservation for one request's body, released at the end."""
        reservation = MemoryReservation(self)
        try:
            yield reservation
        finally:
            self.bytes -= reservation.bytes


class MemoryReservation:
    """Bytes of one request's body."""

    def __init__(self, budget: MemoryBudget) -> None:
        self.budget, self.bytes = budget, 0

    def add(self, count: int) -> None:
        """Reserve `count` more bytes.

        Raises:
            HTTPException: 413 body too large, 503 budget exhausted.
        """
        if self.bytes + count > MAX_BODY:
            raise body_too_large_error()
        if self.budget.bytes + count > MAX_TOTAL_BODIES:
            raise HTTPException(503, "the server is busy: try again", {"Retry-After": "1"})
        self.bytes += count
        self.budget.bytes += count


def body_too_large_error() -> HTTPException:
    """Error for a body over MAX_BODY."""
    text = f"the request is larger than {MAX_BODY // MIB} MiB: send fewer or smaller images"
    return HTTPException(413, text, {"Connection": "close"})


async def read_body(
    request: Request, reservation: MemoryReservation
) -> AsyncGenerator[bytes, None]:
    """Iterate over the chunks of a request's body as they arrive.

    Raises:
        HTTPException: 413 body too large, 408 client too slow, 503 budget exhausted.
        ClientDisconnect: The client has disconnected.
    """
    header = request.headers.get("content-length", "0")
    length = int(header) if header.isdecimal() else 0
    if length > MAX_BODY_READ:
        raise body_too_large_error()
    chunks = aiter(request.stream())
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            while True:
                async with asyncio.timeout(IDLE_TIMEOUT):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                if length <= MAX_BODY:
                    reservation.add(len(chunk))
                    yield chunk
    except TimeoutError:
        text = (
            f"the request is too slow: no data for {IDLE_TIMEOUT} s, or more than {BODY_TIMEOUT} s "
            "in total"
        )
        raise HTTPException(408, text, {"Connection": "close"}) from None
    if length > MAX_BODY:
        raise body_too_large_error()
