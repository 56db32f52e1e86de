"""Images in a request: one as the body, or several in a form."""

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
    """An uploaded image."""

    name: str  # file name in the form, or empty
    content: bytes


class InMemoryFormParser(MultiPartParser):
    """Starlette's form parser, without temporary files."""

    spool_max_size = MAX_BODY + 1


async def read_uploads(request: Request, reservation: MemoryReservation) -> list[Upload]:
    """Read the images of a request.

    Raises:
        HTTPException: 400 no image or invalid form, 415 other Content-Type; 408, 413 and 503 as in
            `read_body`.
        ClientDisconnect: The client has disconnected.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    chunks = read_body(request, reservation)
    if content_type == FORM_TYPE:
        try:
            form = await InMemoryFormParser(request.headers, chunks, max_files=MAX_IMAGES).parse()
        except MultiPartException as error:
            raise HTTPException(400, f"invalid form: {error.message}") from None
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        uploads = [Upload(file.filename or "", await file.read()) for file in files]
    elif content_type.startswith(IMAGE_TYPE_PREFIX) or content_type == BYTES_TYPE:
        content = b"".join([chunk async for chunk in chunks])
        uploads = [Upload("", content)] if content else []
    else:
        raise HTTPException(
            415,
            f"Content-Type is {content_type or 'missing'}: send {IMAGE_TYPE_PREFIX}*, "
            f"{BYTES_TYPE} or {FORM_TYPE}",
        )
    if not uploads:
        raise HTTPException(400, "no image in the request")
    return uploads
