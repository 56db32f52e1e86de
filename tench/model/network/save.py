"""Saving a classifier so that the same weights give the same bytes."""

import re
import tempfile
import zipfile
from pathlib import Path

from tench.core.files import atomic_file
from tench.model.network.backbone import Model
from tench.model.network.keras_setup import keras


def save_classifier(model: Model, file: Path) -> None:
    """Save as .keras so that the same weights give the same bytes in every process: without dates,
    in it or on it, and with shared objects numbered instead of named by their memory address."""
    with atomic_file(file) as part, tempfile.NamedTemporaryFile(suffix=".keras") as fresh:
        model.save(fresh.name)
        with zipfile.ZipFile(fresh.name) as source, zipfile.ZipFile(part, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = f'{{"keras_version": "{keras.__version__}"}}'.encode()
                if name == "config.json":
                    content = renumber_shared_objects(content)
                target.writestr(zipfile.ZipInfo(name), content)


def save_weights(model: Model, file: Path) -> None:
    """Save a model's weights as .weights.h5, whole or not at all.

    HDF5 kills the process where it finds the disk full, so a plain write looks for room before it.
    """
    with atomic_file(file) as part:
        part.write_bytes(bytes(2 * sum(weight.nbytes for weight in model.get_weights())))
        model.save_weights(part)


def renumber_shared_objects(config: bytes) -> bytes:
    """Replace the values of shared_object_id in Keras's JSON by 1, 2, ... as they appear."""
    numbers: dict[bytes, int] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return found[1] + str(numbers.setdefault(found[2], len(numbers) + 1)).encode()

    return re.sub(rb'("shared_object_id": )(\d+)', number, config)
