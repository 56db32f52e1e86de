"""Stage imagenette: download from the public repository, with proxies and with clear errors."""

import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from classifier_server import CLOSED_PORT, HOST, UNREACHABLE_URL
from imagenette_stand_in import (
    IMAGENETTE_FOLDER,
    SPLIT_FOLDERS,
    is_imagenette_complete,
    isolate_folder,
    isolated_git_output,
    lists_three_ways,
    make_valid_images,
    stage_error_message,
    write_unsorted_files,
)

from tench.data.sources import imagenette


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate_folder(tmp_path, monkeypatch)


@pytest.fixture
def valid(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is accepted as Imagenette."""
    return make_valid_images(monkeypatch)


@pytest.fixture
def repository(valid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with these images in a sub-folder, instead of the public one."""
    source = tmp_path / "source"
    source.mkdir()
    valid.rename(source / "imagenette")
    for file in source.rglob("*"):
        file.chmod(0o755)
    isolated_git_output(source, "init", "--quiet")
    isolated_git_output(source, "add", ".")
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    isolated_git_output(source, *who, "commit", "--quiet", "-m", "Images")
    isolated_git_output(source, "config", "uploadpack.allowAnySHA1InWant", "true")
    monkeypatch.setattr(imagenette, "COMMIT", isolated_git_output(source, "rev-parse", "HEAD"))
    monkeypatch.setattr(imagenette, "REPOSITORY", source.as_uri())
    return source


def test_other_images_in_the_shared_folder_are_skipped(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in SPLIT_FOLDERS:
        write_unsorted_files(Path("other") / part)
    monkeypatch.setattr(imagenette, "SHARED_FOLDER", Path("other"))
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert is_imagenette_complete()


def test_no_network_lists_three_options() -> None:
    message = stage_error_message()
    assert message.startswith(
        f"{imagenette.REPOSITORY}: cannot be reached (fatal: unable to access"
    )
    assert lists_three_ways(message)
    assert not IMAGENETTE_FOLDER.exists()


def test_an_unreachable_proxy_lists_three_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenette, "REPOSITORY", "https://images.invalid/images")
    monkeypatch.setenv("https_proxy", UNREACHABLE_URL)
    message = stage_error_message()
    assert "cannot be reached (fatal: unable to access 'https://images.invalid" in message
    assert f"{HOST} port {CLOSED_PORT}" in message
    assert lists_three_ways(message)


def test_a_silent_proxy_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenette, "REPOSITORY", "https://images.invalid/silent")
    monkeypatch.setattr(imagenette, "TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        message = stage_error_message()
        assert time.monotonic() - start < 10
        processes = [
            process
            for process in psutil.process_iter(["cmdline"])
            if imagenette.REPOSITORY in (process.info["cmdline"] or [])
            and process.status() != psutil.STATUS_ZOMBIE
        ]
    assert "cannot be reached (no response within 1 seconds)" in message
    assert lists_three_ways(message)
    assert not processes


def test_missing_git_lists_three_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    message = stage_error_message()
    assert message.startswith("git cannot be run (")
    assert lists_three_ways(message)


class Proxy(http.server.BaseHTTPRequestHandler):
    """A forward proxy that serves one repository for any host, with git's own server."""

    root = Path()
    requests: list[str]

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        """Respond with the output of git's CGI program."""
        self.requests.append(self.path)
        url = urlsplit(self.path)
        response = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"],
            input=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            stdout=subprocess.PIPE,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": url.path,
                "QUERY_STRING": url.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            },
        ).stdout
        header, _, body = response.partition(b"\r\n\r\n")
        self.wfile.write(b"HTTP/1.0 200 OK\r\n" + header + b"\r\n\r\n" + body)

    do_POST = do_GET  # noqa: N815


@pytest.fixture
def proxy(repository: Path) -> Iterator[str]:
    """URL of a running proxy."""
    Proxy.root, Proxy.requests = repository.parent, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_repository_is_read_through_a_proxy(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the host does not exist, so only the proxy reaches it
    monkeypatch.setattr(imagenette, "REPOSITORY", "http://images.invalid/source/.git")
    assert lists_three_ways(stage_error_message())
    monkeypatch.setenv("http_proxy", proxy)
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert is_imagenette_complete()
    assert all(url.startswith("http://images.invalid/source/.git/") for url in Proxy.requests)


@pytest.mark.parametrize("redirected", [False, True])
def test_git_settings_may_redirect_the_repository(
    repository: Path, monkeypatch: pytest.MonkeyPatch, redirected: bool
) -> None:
    if redirected:
        monkeypatch.setattr(imagenette, "REPOSITORY", "https://images.invalid/images")
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{repository.as_uri()}.insteadOf")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", imagenette.REPOSITORY)
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert is_imagenette_complete()


def test_a_missing_commit_lists_three_options(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagenette, "COMMIT", "0" * 40)
    message = stage_error_message()
    assert message.startswith(f"{repository.as_uri()}: download failed, see git's error above")
    assert lists_three_ways(message)
