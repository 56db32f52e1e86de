"""Raw picture files, which may be read here or on a machine that does not see them."""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tench.core.errors import TenchError
from tench.pictures.reading import (
    MAX_BYTES,
    TOO_LARGE,
    UnreadableError,
    decode,
    read_picture,
    refuse_special,
)


class Raw(NamedTuple):
    """A raw picture file."""

    file: Path
    content: bytes | None = None  # None: it is to be read from the file
    reason: str = ""  # why it cannot be read


def carried(raw: Raw) -> Raw:
    """The same with its content, or with the reason why there is none: it has more than MAX_BYTES
    bytes, or is no file.

    Raises:
        OSError: the file cannot be opened or read.
    """
    try:
        refuse_special(raw.file)
    except UnreadableError as error:
        return raw._replace(reason=str(error))
    if raw.file.stat().st_size > MAX_BYTES:
        return raw._replace(reason=TOO_LARGE)
    return raw._replace(content=raw.file.read_bytes())


def read_raw(raw: Raw) -> Image.Image:
    """Read it as upright 8-bit RGB, as `read_picture` does. Raises what that raises."""
    if raw.reason:
        raise UnreadableError(raw.reason)
    if raw.content is None:
        return read_picture(raw.file)
    try:
        return decode(BytesIO(raw.content))
    except MemoryError:
        raise TenchError(
            f"{raw.file}: not enough memory to decode it on a node of the cluster; free some, or "
            "remove the picture"
        ) from None
