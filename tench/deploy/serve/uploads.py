"""The images in a request: one as the body itself, or several in a form."""

from typing import NamedTuple

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from tench.deploy.serve.limits import MAX_BODY, MAX_IMAGES, MemoryReservation, read_body

FORM_TYPE = "multipart/form-data"
BYTES_TYPE = "application/octet-stream"
IMAGE_TYPE_PREFIX = "image/"


class Upload(NamedTuple):
    """An image as it was sent."""

    name: str
    content: bytes


class InMemoryFormParser(MultiPartParser):
    """Starlette's parser of forms, which writes no image to the disk."""

    spool_max_size = MAX_BODY + 1


async def read_uploads(request: Request, room: MemoryReservation) -> list[Upload]:
    """The images in a request.

    Raises:
        HTTPException: 400 none, or not a form; 413, 408, 503 as limits.body; 415 another type.
        ClientDisconnect: the client has left.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parts = read_body(request, room)
    if kind == FORM_TYPE:
        try:
            form = await InMemoryFormParser(request.headers, parts, max_files=MAX_IMAGES).parse()
        except MultiPartException as error:
            raise HTTPException(400, f"not a form as it should be: {error.message}") from None
        files = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
        found = [Upload(one.filename or "", await one.read()) for one in files]
    elif kind.startswith(IMAGE_TYPE_PREFIX) or kind == BYTES_TYPE:
        content = b"".join([part async for part in parts])
        found = [Upload("", content)] if content else []
    else:
        text = f"Content-Type: {kind or 'none'}: send {IMAGE_TYPE_PREFIX}*, {BYTES_TYPE} or {FORM_TYPE}"
        raise HTTPException(415, text)
    if not found:
        raise HTTPException(400, "no image in the request")
    return found
