"""Holding out the test set from the validation folder."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from tench.cli import TenchError


def hold_out(class_of: Sequence[str], fraction: float, seed: int) -> NDArray[np.int64]:
    """Choose the validation pictures that become the test set: seeded, stratified by class.

    Args:
        class_of: the class name of every validation picture.
        fraction: share to hold out, in (0, 1).
        seed: of the choice.

    Returns:
        The chosen places in `class_of`, sorted.

    Raises:
        TenchError: a class is too small to have a picture on both sides.
    """
    from sklearn.model_selection import train_test_split

    names, counts = np.unique(class_of, return_counts=True)
    held = np.array([], np.int64)
    with suppress(ValueError):  # every reason of scikit-learn's is too few pictures: told below
        _, held = train_test_split(
            np.arange(len(class_of)), test_size=fraction, random_state=seed, stratify=class_of
        )
    in_test = {name: sum(class_of[place] == name for place in held) for name in names}
    short = [
        (count, name)
        for name, count in zip(names, counts, strict=True)
        if in_test[name] in {0, count}
    ]
    if short:
        count, name = min(short)
        raise TenchError(
            f"class {name}: {count} readable pictures in val/ are too few to hold out "
            f"data.test_fraction = {fraction} of them as a test set and keep some; "
            "add pictures or change data.test_fraction"
        )
    return np.sort(held)
