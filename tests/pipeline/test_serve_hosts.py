"""Allowed hosts: a web page that points its name at the server must get nothing."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from classifier_server import HOST, RunningServer, open_raw_connection, start_server
from pipeline_clones import CHECKOUT, FinishedRun, run_command

from tench.deploy.serve.hosts import parse_host


def get_response(
    server: RunningServer, target: str, *headers: str, version: str = "1.1"
) -> tuple[int, str]:
    """Status and body of the response to a request with only these headers."""
    lines = (f"GET {target} HTTP/{version}", *headers, "Connection: close", "", "")
    with (
        open_raw_connection(server, "\r\n".join(lines).encode()) as connection,
        connection.makefile("rb") as file,
    ):
        head, _, body = file.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode("latin-1")


@pytest.fixture(scope="module")
def all_addresses(
    finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server that listens on all addresses and allows one more host."""
    options = ("--host", "0.0.0.0", "--allowed-host", "Tench.example.org")
    folder = tmp_path_factory.mktemp("everywhere")
    with start_server(finished_run.folder / "models/export", folder, *options) as one:
        yield one


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:80", HOST, f"{HOST}:8000", "[::1]", "[::1]:8000"]
)
def test_the_server_accepts_this_machine(server: RunningServer, host: str) -> None:
    assert get_response(server, "/neighbors/0.webp", f"Host: {host}")[0] == 200
    assert get_response(server, f"http://{host}/health", "Host: evil.example")[0] == 200


FOREIGN = ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"]


@pytest.mark.parametrize("host", [*FOREIGN, "192.0.2.1", "[2001:db8::1]:8000", "0.0.0.0"])
@pytest.mark.parametrize("path", ["/", "/health", "/neighbors/0.webp", "/openapi.json", "/none"])
def test_foreign_hosts_get_nothing(server: RunningServer, host: str, path: str) -> None:
    for request in ((path, f"Host: {host}"), (f"http://{host}{path}", f"Host: {HOST}")):
        code, body = get_response(server, *request)
        assert code == 421
        assert "--allowed-host NAME" in json.loads(body)["detail"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Host:",),
        ("Host: localhost", "Host: localhost"),
        ("Host: localhost", "Host: evil.example"),
        ("Host: user@localhost",),
        ("Host: localhost:port",),
        ("Host: localhost/evil.example",),
        ("Host: [::1",),
        ("Host: ::1",),
        ("Host: *",),
        ("Host: caf\u00e9",),
    ],
    ids=range(11),
)
def test_a_request_without_one_valid_host_is_refused(
    server: RunningServer, headers: tuple[str, ...], version: str
) -> None:
    code, body = get_response(server, "/health", *headers, version=version)
    assert code == 400
    assert "classes" not in body


@pytest.mark.parametrize("host", ["tench.example.org", "TENCH.example.org:443", "localhost"])
def test_named_hosts_are_accepted(all_addresses: RunningServer, host: str) -> None:
    assert get_response(all_addresses, "/health", f"Host: {host}")[0] == 200


@pytest.mark.parametrize("host", [HOST, "192.0.2.1:8000", "[2001:db8::1]"])
def test_a_server_on_all_interfaces_accepts_any_address(
    all_addresses: RunningServer, host: str
) -> None:
    assert get_response(all_addresses, "/health", f"Host: {host}")[0] == 200


@pytest.mark.parametrize("host", [*FOREIGN, "example.org", "1.2.3", "0x7f000001.example"])
def test_a_server_on_all_interfaces_accepts_no_other_name(
    all_addresses: RunningServer, host: str
) -> None:
    assert get_response(all_addresses, "/health", f"Host: {host}")[0] == 421


def test_a_star_allows_any_host(finished_run: FinishedRun, tmp_path: Path) -> None:
    with start_server(
        finished_run.folder / "models/export", tmp_path, "--allowed-host", "*"
    ) as server:
        for headers in (("Host: evil.example",), ()):
            assert get_response(server, "/health", *headers)[0] == 200


@pytest.mark.parametrize("name", ["", "*.example.org", "http://example.org", "a b", "[::1"])
def test_invalid_hosts_cannot_be_allowed(name: str) -> None:
    answer = run_command(CHECKOUT, sys.executable, "-m", "tench.serve", "--allowed-host", name)
    assert answer.returncode == 2
    assert "not a host name, an IP address or *" in answer.stdout


@pytest.mark.parametrize(
    ("header", "host"), [("A.b:1", "a.b"), ("[FE80::1]:2", "fe80::1"), ("1.2.3.4", "1.2.3.4")]
)
def test_the_host_of_a_header(header: str, host: str) -> None:
    assert parse_host(header) == host
