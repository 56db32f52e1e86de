"""Holding out the test set from the validation folder."""

import hashlib
import math
from collections.abc import Sequence
from itertools import groupby

from tench.core.errors import TenchError


def rank(content: str, seed: int) -> str:
    """Where a picture stands in line for the test set: a digest of what it shows, keyed by the
    seed."""
    return hashlib.sha256(f"{seed} {content}".encode()).hexdigest()


def hold_out(
    class_of: Sequence[str], contents: Sequence[str], fraction: float, seed: int
) -> list[int]:
    """Choose the validation pictures that become the test set, class by class.

    A picture's side follows from what it shows, whatever its name and its neighbours: the first
    of every class in the order of `rank` are held out. So a picture more or less moves at most one
    other of its class from one side to the other. Pictures of equal content stay together, those of
    two classes too.

    Args:
        class_of: the class name of every validation picture.
        contents: a digest of what each shows.
        fraction: share of every class to hold out, in (0, 1), rounded to whole pictures.
        seed: of the choice.

    Returns:
        The chosen places in `class_of`, sorted.

    Raises:
        TenchError: a class is too small to have a picture on both sides.
    """
    held: dict[str, bool] = {}  # by content: the first class that has it decides
    short: list[tuple[int, str]] = []
    in_line = sorted(range(len(class_of)), key=lambda n: (class_of[n], rank(contents[n], seed)))
    for name, group in groupby(in_line, key=class_of.__getitem__):
        places = list(group)
        wanted = math.floor(fraction * len(places) + 0.5)
        for before, place in enumerate(places):
            held.setdefault(contents[place], before < wanted)
        if not 0 < sum(held[contents[place]] for place in places) < len(places):
            short.append((len(places), name))
    if short:
        count, name = min(short)
        raise TenchError(
            f"class {name}: {count} readable pictures in val/ are too few to hold out "
            f"data.test_fraction = {fraction} of them as a test set and keep some; "
            "add pictures or change data.test_fraction"
        )
    return [place for place in range(len(class_of)) if held[contents[place]]]
