"""What there is in a folder of pictures, by the names and headers of its files alone."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from tench.console.progress import progress
from tench.core.errors import TenchError
from tench.core.names import SPLITS
from tench.core.parallel import in_threads
from tench.core.params import Data
from tench.intake.files import class_folders
from tench.intake.layouts import recognise
from tench.intake.manifest import read_manifest
from tench.intake.scan import Source, scan
from tench.intake.splitting import choose_sides
from tench.pictures.reading import (
    MAX_PIXELS,
    UnreadableError,
    is_machines,
    opened,
    reason,
    refuse_special,
    weight,
)


class Header(NamedTuple):
    """What a file's header says, or else why it is none of a picture."""

    form: str = ""  # one of FORMATS
    size: tuple[int, int] = (0, 0)
    reason: str = ""


class Found(NamedTuple):
    """What there is. Pictures whose headers cannot be read are counted in `unreadable` alone."""

    layout: str  # for people
    labels: set[str]  # of the class folders or the CSV file, before data.classes renames them
    classes: dict[str, int]  # class name to pictures, sorted by name
    splits: dict[str, int]  # side to pictures; equal pictures may make it a few more or fewer
    groups: int  # 0 without groups
    formats: dict[str, int]  # the most frequent first
    sizes: list[tuple[int, int]]  # width and height of every picture, by their product
    unreadable: list[tuple[Source, str]]  # each with its reason


def read_header(file: Path) -> Header:
    """Read a picture's header. What is wrong behind it, only `prepare` finds.

    Raises:
        OSError: the file cannot be opened or read.
    """
    try:
        refuse_special(file)
    except UnreadableError as error:
        return Header(reason=str(error))
    with file.open("rb") as content:
        try:
            with opened(content) as picture:
                weight(picture)
                return Header(str(picture.format), picture.size)
        except UnidentifiedImageError:
            return Header(reason="not a picture")
        except UnreadableError as error:
            return Header(reason=str(error))
        except Image.DecompressionBombError:
            return Header(reason=f"more than {MAX_PIXELS:,} pixels")
        except Exception as error:  # as in tench.pictures.reading
            if is_machines(error):
                raise
            return Header(reason=f"damaged: {reason(error)}")


def labels_in(raw: Path) -> set[str]:
    """The names of a raw folder's class folders, or the labels in its CSV file. Raises
    TenchError."""
    layout = recognise(raw)
    if layout.manifest:
        return {entry.label for entry in read_manifest(layout.manifest)}
    return {name for top in layout.folders.values() for name in class_folders(top)}


def look(raw: Path, data: Data, seed: int) -> Found:
    """Look at a raw folder as `prepare` will.

    Args:
        raw: the folder.
        data: parameters: classes, groups and the shares of the split.
        seed: of the split.

    Raises:
        TenchError: it is no data set, as it is, or has too few pictures that can be read.
    """
    sources = scan(raw, data.classes or {}, data.groups)
    files = [source.file for source in sources]
    headers = list(progress(in_threads(read_header, files), "look", len(files), delay=3))
    pairs = list(zip(sources, headers, strict=True))
    readable = [source for source, header in pairs if not header.reason]
    if not readable:
        raise TenchError(
            f"{raw}: none of {len(files)} files is a picture; {files[0]}: {headers[0].reason}"
        )
    sides = choose_sides(
        readable,
        [str(source.file) for source in readable],  # what each shows is not known yet
        {"test": data.test_fraction, "val": data.val_fraction},
        seed,
    )
    good = [header for header in headers if not header.reason]
    return Found(
        layout=recognise(raw).words,
        labels=labels_in(raw),
        classes=dict(sorted(Counter(source.class_name for source in readable).items())),
        splits={side: sides.count(side) for side in SPLITS},
        groups=len({source.group for source in readable} - {""}),
        formats=dict(Counter(sorted(header.form for header in good)).most_common()),
        sizes=sorted((header.size for header in good), key=lambda size: (size[0] * size[1], size)),
        unreadable=[(source, header.reason) for source, header in pairs if header.reason],
    )
