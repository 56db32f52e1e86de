"""Words that parameters, files and code share, and what a class or file may be called.

One defence for all tables: a class, a group or a file below data.raw that a spreadsheet would
compute is refused, so that what stages pass on stays as it is; a path that may begin so is written
with ./ before it, which leads to the same file; what comes from elsewhere is made `inert`.
"""

import re
import unicodedata
from collections.abc import Collection
from typing import Literal

ResizeMode = Literal["squash", "crop", "pad"]  # how an image becomes square
SPLITS = ("train", "val", "test")
MAX_FINDINGS = 12  # of each kind of the audit's findings, shown with their images
MAX_LABEL_FINDINGS = 20
MODEL_NAMES = ("frozen", "finetuned")  # before and after fine-tuning
PRETRAINED_SIZES = {"imagenet-224": 224, "imagenet-160": 160}  # pixels a side they were trained at
# A spreadsheet takes a cell that begins so for a formula, in full width in Japanese.
FORMULA_PREFIXES = "=+-@\uff1d\uff0b\uff0d\uff20"
# Where a cell begins: with the text or, where semicolons part cells, behind one; quotation marks
# around a text with commas do not help there.
FORMULA_START = re.compile(rf"((?:^|;)[\"\s]*)(?=[{re.escape(FORMULA_PREFIXES)}])")
# What turns the direction of text round, and so that of its neighbors.
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MAX_MESSAGE_CHARS = 500  # characters of one value or reason in a message


def is_control_character(character: str) -> bool:
    """Whether a character ends a line, moves the cursor or is half of one: no part of a name."""
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


def validate_folder_name(name: str) -> str:
    """Return `name` if it can be one folder's name on any system; ValueError if it cannot."""
    plain = name and name == name.strip() and not set(name) & set("/\\")
    # joiners are part of words, control characters are not
    text = not any(map(is_control_character, name))
    if not (plain and text) or name.startswith(".") or len(name.encode()) > 255:
        raise ValueError(
            "must be a plain folder name: no / or \\, no dot in front, no blanks around it, on one "
            "line, at most 255 bytes; rename it"
        )
    return name


def validate_class_name(name: str) -> str:
    """Return `name` if a class can be called so: a folder's name that no spreadsheet computes and
    that turns nothing round; ValueError if it cannot."""
    if is_formula(validate_folder_name(name)):
        raise ValueError(
            f"must not begin with any of {' '.join(FORMULA_PREFIXES[:4])}, nor have one behind a semicolon: "
            "a spreadsheet takes that for a formula; give the class another name under data.classes"
        )
    if set(name) & BIDI_CONTROLS:
        raise ValueError(
            "must not hold marks that turn the direction of text (U+202A to U+202E, U+2066 to "
            "U+2069): what stands beside it would be shown in another order; give the class "
            "another name under data.classes"
        )
    return name


def is_formula(text: str) -> bool:
    """Whether a spreadsheet computes a cell of this text, or a part of it."""
    return FORMULA_START.search(text) is not None


def escape_formula(text: str) -> str:
    """A text that no spreadsheet computes: with ' before what would begin a formula."""
    return FORMULA_START.sub(r"\1'", text)


def escape_formula_path(path: str) -> str:
    """A path that does not begin as a formula: with ./ before it, which names the same file."""
    return f"./{path}" if FORMULA_START.match(path) else path


def escape_control_characters(text: str, also: Collection[str] = ()) -> str:
    """A text on one line of UTF-8: control characters, halves of characters and those of `also` as
    Python writes them, such as \\x1b."""
    return "".join(
        one.encode("unicode_escape").decode() if is_control_character(one) or one in also else one
        for one in text
    )


def printable(text: str) -> str:
    """A name or reason as a message of one line may hold it: `visible`, and not too long."""
    text = escape_control_characters(text)
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]}…"


def normalize_name(name: str) -> str:
    """What two names have in common that some file system takes for one: case, composition."""
    return unicodedata.normalize("NFC", name).casefold()
