"""The server: its responses, what it refuses, and that it survives."""

import io
import json
import socket
import struct
import time
import urllib.request
import zlib
from contextlib import suppress

import numpy as np
import pytest
from classifier_server import (
    RunningServer,
    encode_form,
    open_raw_connection,
    post_body,
    read_status,
    request_headers,
)
from PIL import Image
from pipeline_clones import FinishedRun, read_scored_images

from tench.deploy.serve import limits


def get(server: RunningServer, path: str) -> str:
    with urllib.request.urlopen(server.address + path, timeout=60) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def test_an_image_is_predicted(server: RunningServer, sample_image: bytes) -> None:
    code, response = post_body(server, sample_image, path="predict?top=2&explain=true")
    (one,) = response["predictions"]
    assert (code, one["class_name"], one["flag"], one["reason"]) == (200, "fish", None, None)
    assert one["classes"][0]["class_name"] == "fish"
    assert len(one["classes"]) == 2
    assert one["classes"][0]["probability"] == one["probability"]
    assert one["explanation"].startswith("data:image/jpeg;base64,")
    assert one["nearest"][0]["distance"] == one["distance"]
    with urllib.request.urlopen(server.address + one["nearest"][0]["image"]) as small:
        assert Image.open(io.BytesIO(small.read())).size == (96, 96)


def test_many_images_are_predicted_in_order(
    finished_run: FinishedRun, server: RunningServer
) -> None:
    files, rows = zip(*read_scored_images(finished_run.folder)[::4], strict=True)
    code, response = post_body(
        server, *encode_form(*((file.name, file.read_bytes()) for file in files))
    )
    assert code == 200
    predictions = response["predictions"]
    assert [one["name"] for one in predictions] == [file.name for file in files]
    assert [one["class_name"] for one in predictions] == [row["prediction"] for row in rows]
    found = [one["probability"] for one in predictions]
    np.testing.assert_allclose(found, [float(row["probability"]) for row in rows], atol=1e-4)


def test_one_unreadable_among_many_has_its_reason(
    server: RunningServer, sample_image: bytes
) -> None:
    code, response = post_body(
        server, *encode_form(("a.jpg", sample_image), ("secret-name.jpg", b"no image"))
    )
    assert code == 200
    assert [one["class_name"] for one in response["predictions"]] == ["fish", None]
    assert "not an image" in response["predictions"][1]["reason"]


def bomb() -> bytes:
    """A small PNG of 30,000 x 30,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


@pytest.mark.parametrize(
    ("body", "kind", "code", "words"),
    [
        (b"no image", "image/png", 422, "not an image in any of"),
        (b"", "image/jpeg", 400, "no image in the request"),
        (b"{}", "application/json", 415, "Content-Type is application/json"),
        (b"x", "", 415, "Content-Type is missing"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "send image/*"),
        (b"nonsense", "multipart/form-data; boundary=cut", 400, "invalid form"),
        (b"nonsense", "multipart/form-data", 400, "boundary"),
        (encode_form()[0], encode_form()[1], 400, "no image in the request"),
        (*encode_form(("empty.jpg", b"")), 422, "the file is empty"),
        (bomb(), "image/png", 422, "more than 89,478,485 pixels"),
        (bytes(limits.MAX_BODY + 1), "image/jpeg", 413, "larger than 32 MiB"),
    ],
    ids=range(11),
)
def test_bad_input_gets_its_status(
    server: RunningServer, body: bytes, kind: str, code: int, words: str
) -> None:
    found, response = post_body(server, body, kind)
    assert found == code
    assert words in str(response)
    assert get(server, "health")


def test_too_many_images_are_refused(server: RunningServer, sample_image: bytes) -> None:
    code, _ = post_body(
        server, *encode_form(*((f"{n}.jpg", sample_image) for n in range(limits.MAX_IMAGES + 1)))
    )
    assert code == 400


def test_a_gigabyte_is_refused_before_it_is_sent(server: RunningServer) -> None:
    assert read_status(open_raw_connection(server, request_headers(2**30))) == 413


def test_a_gigabyte_without_its_length_is_refused_on_the_way(server: RunningServer) -> None:
    lines = request_headers(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    connection = open_raw_connection(server, lines)
    part = b"100000\r\n" + bytes(2**20) + b"\r\n"
    sent = 0
    with connection, suppress(ConnectionError):  # the server closes it
        while sent < 1024:
            connection.sendall(part)
            sent += 1
    assert sent < 200
    assert get(server, "health")


def test_a_client_may_disconnect(server: RunningServer, sample_image: bytes) -> None:
    for part in (sample_image[:100], sample_image):
        connection = open_raw_connection(server, request_headers(len(sample_image)), part)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # a reset instead of a clean shutdown
    assert post_body(server, sample_image)[0] == 200


def test_metrics(server: RunningServer, sample_image: bytes) -> None:
    post_body(server, sample_image)
    until = time.monotonic() + 30  # requests of other tests may be in flight
    while "tench_waiting 0.0" not in (text := get(server, "metrics")):
        assert time.monotonic() < until, text
    for line in ('tench_requests_total{status="200"}', 'tench_images_total{flag="none"}'):
        assert line in text
    assert 'tench_seconds_bucket{le="0.005"}' in text
    assert "process_resident_memory_bytes" in text
    assert "secret-name" not in text


def test_the_api_is_described(server: RunningServer) -> None:
    text = get(server, "openapi.json")
    for word in ("/predict", "multipart/form-data", "413", "class_name", "no such image"):
        assert word in text
    described = json.loads(text)["paths"]
    form = described["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["images"]
    page = get(server, "docs")
    assert "https://" not in page  # no script of another server


def test_other_neighbors_are_not_found(server: RunningServer) -> None:
    for path in ("neighbors/99999.webp", "neighbors/-1.webp", "neighbors/..%2fmodel.json"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(server, path)
        assert caught.value.code in {404, 422}


def test_the_url_is_printed_once_the_server_accepts_requests(server: RunningServer) -> None:
    assert server.log.read_text().startswith("Serving ")
    assert f" at {server.address} (Ctrl-C to stop)" in server.log.read_text()
