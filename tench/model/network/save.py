"""Save models; equal weights give equal bytes."""

import re
import tempfile
import zipfile
from pathlib import Path

from tench.core.files import atomic_file
from tench.model.network.backbone import Model
from tench.model.network.keras_setup import keras


def save_classifier(model: Model, file: Path) -> None:
    """Save a model as .keras, normalized so that equal weights give equal bytes.

    Dates are dropped, and shared objects are numbered instead of named by their memory address.
    """
    with atomic_file(file) as part, tempfile.NamedTemporaryFile(suffix=".keras") as saved:
        model.save(saved.name)
        with zipfile.ZipFile(saved.name) as source, zipfile.ZipFile(part, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = f'{{"keras_version": "{keras.__version__}"}}'.encode()
                if name == "config.json":
                    content = renumber_shared_objects(content)
                target.writestr(zipfile.ZipInfo(name), content)


def save_weights(model: Model, file: Path) -> None:
    """Save the weights of a model as .weights.h5, atomically.

    HDF5 kills the process if the disk is full, so a plain write claims the space first and fails
    with an OSError instead.
    """
    with atomic_file(file) as part:
        part.write_bytes(bytes(2 * sum(weight.nbytes for weight in model.get_weights())))
        model.save_weights(part)


def renumber_shared_objects(config: bytes) -> bytes:
    """Replace the values of shared_object_id in Keras's JSON by 1, 2, ... in order."""
    numbers: dict[bytes, int] = {}

    def number(match: re.Match[bytes]) -> bytes:
        return match[1] + str(numbers.setdefault(match[2], len(numbers) + 1)).encode()

    return re.sub(rb'("shared_object_id": )(\d+)', number, config)
