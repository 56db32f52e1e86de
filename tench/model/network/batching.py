"""Batches of one size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pad_batch(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """At most `count` rows, filled up to it with zeros: TensorFlow traces every size anew."""
    return np.concatenate([rows, np.zeros((count - len(rows), *rows.shape[1:]), rows.dtype)])
