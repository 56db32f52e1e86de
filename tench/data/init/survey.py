"""Survey a folder of images by file names and image headers, without decoding."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from tench.core.errors import TenchError, UnreadableError
from tench.core.names import SPLITS
from tench.core.parallel import map_in_threads
from tench.core.params import Data
from tench.data.decode.decoder import (
    MAX_PIXELS,
    check_regular_file,
    decode_cost,
    format_decoder_error,
    is_system_error,
    opened,
)
from tench.data.ingest.file_rules import class_folders
from tench.data.ingest.layouts import detect_layout
from tench.data.ingest.manifest import read_manifest
from tench.data.ingest.scan import SourceFile, scan_raw_folder
from tench.data.split.assignment import assign_splits
from tench.run.progress import progress_bar


class ImageHeader(NamedTuple):
    """Format and size of an image file, or the reason why it is unreadable."""

    file_format: str = ""  # one of FORMATS
    size: tuple[int, int] = (0, 0)  # width, height
    reason: str = ""


class FolderSurvey(NamedTuple):
    """Contents of a raw folder. Unreadable files appear in `unreadable` only."""

    layout: str  # description for the user
    labels: set[str]  # of the class folders or the CSV file, before data.classes renames them
    classes: dict[str, int]  # class name to number of images, sorted by name
    splits: dict[str, int]  # split to number of images; approximate where images are equal
    groups: int  # 0 without groups
    formats: dict[str, int]  # format to number of images, most frequent first
    sizes: list[tuple[int, int]]  # width and height of every image, sorted by area
    unreadable: list[tuple[SourceFile, str]]  # file and reason


def read_header(file: Path) -> ImageHeader:
    """Read an image's header. Damage after the header goes unnoticed until `prepare`.

    Raises:
        OSError: the file cannot be opened or read.
    """
    try:
        check_regular_file(file)
    except UnreadableError as error:
        return ImageHeader(reason=str(error))
    with file.open("rb") as content:
        try:
            with opened(content) as image:
                decode_cost(image)
                return ImageHeader(str(image.format), image.size)
        except UnidentifiedImageError:
            return ImageHeader(reason="not an image")
        except UnreadableError as error:
            return ImageHeader(reason=str(error))
        except Image.DecompressionBombError:
            return ImageHeader(reason=f"more than {MAX_PIXELS:,} pixels")
        except Exception as error:  # Pillow raises many types, as in tench.data.decode.decoder
            if is_system_error(error):
                raise
            return ImageHeader(reason=f"damaged: {format_decoder_error(error)}")


def read_label_names(raw: Path) -> set[str]:
    """The names of the class folders, or the labels of the CSV file. Raises TenchError."""
    layout = detect_layout(raw)
    if layout.manifest:
        return {entry.label for entry in read_manifest(layout.manifest)}
    return {name for top in layout.folders.values() for name in class_folders(top)}


def survey_folder(raw: Path, data: Data, seed: int) -> FolderSurvey:
    """Survey a raw folder with the rules of `prepare` and `split`.

    Args:
        raw: the folder.
        data: classes, groups and split fractions.
        seed: seed of the split.

    Raises:
        TenchError: the layout is unknown, or a class has too few readable images.
    """
    sources = scan_raw_folder(raw, data.classes or {}, data.groups)
    files = [source.file for source in sources]
    headers = list(progress_bar(map_in_threads(read_header, files), "headers", len(files), delay=3))
    pairs = list(zip(sources, headers, strict=True))
    readable = [source for source, header in pairs if not header.reason]
    if not readable:
        raise TenchError(
            f"{raw}: none of {len(files)} files is an image; {files[0]}: {headers[0].reason}"
        )
    splits = assign_splits(
        readable,
        [str(source.file) for source in readable],  # in place of pixel digests, not computed here
        {"test": data.test_fraction, "val": data.val_fraction},
        seed,
    )
    valid = [header for header in headers if not header.reason]
    return FolderSurvey(
        layout=detect_layout(raw).description,
        labels=read_label_names(raw),
        classes=dict(sorted(Counter(source.class_name for source in readable).items())),
        splits={split: splits.count(split) for split in SPLITS},
        groups=len({source.group for source in readable} - {""}),
        formats=dict(Counter(sorted(header.file_format for header in valid)).most_common()),
        sizes=sorted((header.size for header in valid), key=lambda size: (size[0] * size[1], size)),
        unreadable=[(source, header.reason) for source, header in pairs if header.reason],
    )
