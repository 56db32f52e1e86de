"""Shared constants, and rules for the names of classes and files.

Tables must not contain spreadsheet formulas: `write_csv` escapes every text cell that starts like
one, and `read_csv` and `read_index` restore the text.
"""

import math
import re
import unicodedata
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import PurePath
from reprlib import Repr
from typing import Any, Literal

ResizeMode = Literal["squash", "crop", "pad"]  # how an image becomes square
SPLITS = ("train", "val", "test")
MAX_FINDINGS = 12  # findings of each kind that the report shows with their images
MAX_LABEL_FINDINGS = 20
MODEL_NAMES = ("frozen", "finetuned")  # before and after fine-tuning
MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 512  # pixels per side
PRETRAINED_SIZES = {"imagenet-224": 224, "imagenet-160": 160}  # training size, pixels per side
# Patterns of files and folders that DVC ignores below an output, as in .dvcignore (tested).
DVC_IGNORED = (
    *("__pycache__", ".part-*", ".unfinished", "dvc.yaml", "*.dvc", ".dvcignore"),
    *(".git", ".hg"),  # ignored by DVC itself
)
# First characters of a spreadsheet formula, including their full-width forms (Japanese input).
FORMULA_PREFIXES = "=+-@\uff1d\uff0b\uff0d\uff20"
# A cell starts at the start of the text or, where semicolons separate cells, after a semicolon.
# There the quotation marks of a comma-separated file do not protect it.
FORMULA_START = re.compile(rf"((?:^|;)[\"\s]*)(?=[{re.escape(FORMULA_PREFIXES)}])")
# The same with any number of ' before the formula, so that escaping can be undone.
ESCAPE_POINT = re.compile(rf"((?:^|;)[\"\s]*)(?='*[{re.escape(FORMULA_PREFIXES)}])")
ESCAPED = re.compile(rf"((?:^|;)[\"\s]*)'(?='*[{re.escape(FORMULA_PREFIXES)}])")
# Characters that change the direction of text, including the text around them.
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MAX_MESSAGE_CHARS = 500  # characters of a value or reason in a message
# Bounded, since the repr of nested YAML aliases can take all memory.
VALUE_REPR = Repr()
VALUE_REPR.maxlevel, VALUE_REPR.maxlist, VALUE_REPR.maxtuple, VALUE_REPR.maxdict = 3, 10, 10, 20
VALUE_REPR.maxstring = VALUE_REPR.maxlong = VALUE_REPR.maxother = MAX_MESSAGE_CHARS


def is_control_character(character: str) -> bool:
    """Whether a character is a control character, a line separator or a lone surrogate."""
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


def validate_folder_name(name: str) -> str:
    """Return `name` if it is a valid folder name on every system. Raises ValueError."""
    plain = name and name == name.strip() and not set(name) & set("/\\")
    # zero-width joiners are part of words, so only control characters are refused
    one_line = not any(map(is_control_character, name))
    if not (plain and one_line) or name.startswith(".") or len(name.encode()) > 255:
        raise ValueError(
            "must be a plain folder name: no / or \\, no leading dot, no surrounding spaces, one "
            "line, at most 255 bytes; rename it"
        )
    return name


def validate_class_name(name: str) -> str:
    """Return `name` if it is a valid class name: a folder name that does not change the direction
    of text. Raises ValueError."""
    if set(validate_folder_name(name)) & BIDI_CONTROLS:
        raise ValueError(
            "must not contain characters that change the direction of text (U+202A to U+202E, "
            "U+2066 to U+2069); rename it"
        )
    return name


def escape_formula(text: str) -> str:
    """Put ' before every start of a spreadsheet formula in a text."""
    if text[:1].isalnum() and ";" not in text:
        return text  # the usual case, for speed
    return ESCAPE_POINT.sub(r"\1'", text)


def unescape_formula(text: str) -> str:
    """Undo `escape_formula`."""
    return ESCAPED.sub(r"\1", text) if "'" in text else text


def escape_formula_path(path: str) -> str:
    """Put ./ before a path that starts like a spreadsheet formula."""
    return f"./{path}" if FORMULA_START.match(path) else path


def escape_control_characters(text: str, also: Collection[str] = ()) -> str:
    """Escape control characters, and those in `also`, as Python does, such as \\x1b."""
    return "".join(
        char.encode("unicode_escape").decode()
        if is_control_character(char) or char in also
        else char
        for char in text
    )


def printable(text: str) -> str:
    """A name or reason for a one-line message: control characters escaped, shortened."""
    text = escape_control_characters(text)
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]}…"


def normalize_name(name: str) -> str:
    """Fold case and Unicode composition: equal results may be the same file on some systems."""
    return unicodedata.normalize("NFC", name).casefold()


def is_ignored_by_dvc(path: PurePath) -> bool:
    """Whether DVC ignores a file at this relative path in a folder."""
    return any(fnmatch(part, pattern) for part in path.parts for pattern in DVC_IGNORED)


def format_value(value: Any) -> str:
    """A value for a one-line message."""
    if isinstance(value, float) and math.isnan(value):
        return "not a finite number"
    return printable(VALUE_REPR.repr(value))
