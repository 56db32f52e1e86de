"""Words that parameters, files and code share, and what a class or file may be called."""

import unicodedata
from typing import Literal

Fit = Literal["squash", "crop", "pad"]  # how a picture becomes square
SPLITS = ("train", "val", "test")
MODELS = ("frozen", "finetuned")  # before and after fine-tuning
CHECKPOINTS = {"imagenet-224": 224, "imagenet-160": 160}  # pixels a side they were trained at
MOST = 500  # characters of one value or reason in a message
FORMULA = "=+-@"  # a spreadsheet takes a cell that begins so for a formula


def is_control(character: str) -> bool:
    """Whether a character ends a line, moves the cursor or is half of one: no part of a name."""
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


def shown(text: str) -> str:
    """A name or reason as a message of one line may hold it: escaped if need be, not too long."""
    text = repr(text) if any(map(is_control, text)) else text
    return text if len(text) <= MOST else f"{text[:MOST]}…"


def folder_name(name: str) -> str:
    """Return `name` if it can be one folder's name on any system; ValueError if it cannot."""
    plain = name and name == name.strip() and not set(name) & set("/\\")
    # joiners are part of words, control characters are not
    text = not any(map(is_control, name))
    if not (plain and text) or name.startswith(".") or len(name.encode()) > 255:
        raise ValueError(
            "must be a plain folder name: no / or \\, no dot in front, no blanks around it, on one "
            "line, at most 255 bytes; rename it"
        )
    return name


def class_name(name: str) -> str:
    """Return `name` if a class can be called so: a folder's name that no spreadsheet computes;
    ValueError if it cannot."""
    if folder_name(name)[0] in FORMULA:
        raise ValueError(
            f"must not begin with any of {' '.join(FORMULA)}, which a spreadsheet takes for a "
            "formula; give the class another name under data.classes"
        )
    return name


def same_name(name: str) -> str:
    """What two names have in common that some file system takes for one: case, composition."""
    return unicodedata.normalize("NFC", name).casefold()
