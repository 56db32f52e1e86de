"""Raw image files, whose content may be sent to another machine for decoding."""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tench.core.errors import TenchError, UnreadableError
from tench.data.decode.decoder import (
    MAX_BYTES,
    TOO_LARGE,
    check_regular_file,
    decode_image,
    read_image,
)


class RawImage(NamedTuple):
    """A raw image file."""

    file: Path
    content: bytes | None = None  # None: read it from the file
    reason: str = ""  # why the file is unreadable


def load_content(raw: RawImage) -> RawImage:
    """Add the content of the file, or the reason why it is unreadable: it is larger than MAX_BYTES,
    or a pipe or device.

    Raises:
        OSError: the file cannot be opened or read.
    """
    try:
        check_regular_file(raw.file)
    except UnreadableError as error:
        return raw._replace(reason=str(error))
    if raw.file.stat().st_size > MAX_BYTES:
        return raw._replace(reason=TOO_LARGE)
    return raw._replace(content=raw.file.read_bytes())


def decode_raw(raw: RawImage) -> Image.Image:
    """Decode a raw image as upright 8-bit RGB. Raises the errors of `read_image`."""
    if raw.reason:
        raise UnreadableError(raw.reason)
    if raw.content is None:
        return read_image(raw.file)
    try:
        return decode_image(BytesIO(raw.content))
    except MemoryError:
        raise TenchError(
            f"{raw.file}: not enough memory to decode this image on a cluster node; free some, or "
            "remove the image"
        ) from None
