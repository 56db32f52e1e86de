"""Raw image files, which may be read here or on a machine that does not see them."""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tench.core.errors import TenchError
from tench.data.decode.decoder import (
    MAX_BYTES,
    TOO_LARGE,
    UnreadableError,
    check_regular_file,
    decode_image,
    read_image,
)


class RawImage(NamedTuple):
    """A raw image file."""

    file: Path
    content: bytes | None = None  # None: it is to be read from the file
    reason: str = ""  # why it cannot be read


def load_content(raw: RawImage) -> RawImage:
    """The same with its content, or with the reason why there is none: it has more than MAX_BYTES
    bytes, or is no file.

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
    """Read it as upright 8-bit RGB, as `read_image` does. Raises what that raises."""
    if raw.reason:
        raise UnreadableError(raw.reason)
    if raw.content is None:
        return read_image(raw.file)
    try:
        return decode_image(BytesIO(raw.content))
    except MemoryError:
        raise TenchError(
            f"{raw.file}: not enough memory to decode it on a node of the cluster; free some, or "
            "remove the image"
        ) from None
