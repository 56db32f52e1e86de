"""Padding of batches to a fixed size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pad_batch(rows: NDArray[Any], batch_size: int) -> NDArray[Any]:
    """Pad rows with zeros to `batch_size`, because TensorFlow traces every new size again."""
    padding = np.zeros((batch_size - len(rows), *rows.shape[1:]), rows.dtype)
    return np.concatenate([rows, padding])
