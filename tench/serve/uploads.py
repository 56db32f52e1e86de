"""The pictures in a request: one as the body itself, or several in a form."""

from typing import NamedTuple

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from tench.serve.limits import MAX_BODY, MAX_PICTURES, Room, body

FORM = "multipart/form-data"
BYTES = "application/octet-stream"
PICTURE = "image/"


class Upload(NamedTuple):
    """A picture as it was sent."""

    name: str
    content: bytes


class InMemory(MultiPartParser):
    """Starlette's parser of forms, which writes no picture to the disk."""

    spool_max_size = MAX_BODY + 1


async def uploads(request: Request, room: Room) -> list[Upload]:
    """The pictures in a request.

    Raises:
        HTTPException: 400 none, or not a form; 413, 408, 503 as limits.body; 415 another type.
        ClientDisconnect: the client has left.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parts = body(request, room)
    if kind == FORM:
        try:
            form = await InMemory(request.headers, parts, max_files=MAX_PICTURES).parse()
        except MultiPartException as error:
            raise HTTPException(400, f"not a form as it should be: {error.message}") from None
        files = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
        found = [Upload(one.filename or "", await one.read()) for one in files]
    elif kind.startswith(PICTURE) or kind == BYTES:
        content = b"".join([part async for part in parts])
        found = [Upload("", content)] if content else []
    else:
        text = f"Content-Type: {kind or 'none'}: send {PICTURE}*, {BYTES} or {FORM}"
        raise HTTPException(415, text)
    if not found:
        raise HTTPException(400, "no picture in the request")
    return found
