"""Servers for DVC remotes on loopback (Ceph's S3 gateway, OpenSSH), and a counter of traffic."""

import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from botocore.session import get_session
from classifier_server import HOST, free_port
from pipeline_clones import run_command

from benchmarks.listening import wait_until_listening

TIMEOUT_SECONDS = 120  # until the gateway accepts connections: 3 s on an idle machine
BUCKET = "tench"
USER = "anna"
S3_KEYS = {"access_key_id": "annas-key", "secret_access_key": "annas-secret"}
# One monitor, one store in memory, and the gateway, without authentication between them.
CEPH_CONFIG = """[global]
fsid = {cluster}
mon host = v1:{host}:{monitor}
public addr = {host}
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
paxos propose interval = 0.05
paxos min wait = 0.01
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 0
run dir = {folder}
log file = {folder}/$name.log
admin socket =
pid file =
[mon]
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint={host}:{gateway}
keyring =
"""
SSHD_CONFIG = """ListenAddress {host}
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
Subsystem sftp internal-sftp
"""


def find_server_program(name: str, package: str) -> str:
    """Return the path of a server. Without it, skip the test; on Linux with CI set, fail it."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        needed = os.environ.get("CI") and sys.platform == "linux"
        (pytest.fail if needed else pytest.skip)(f"needs {name}: apt install {package}")
    return str(found)


def is_open(port: int) -> bool:
    """Whether a server accepts connections at a port."""
    with socket.socket() as one:
        return one.connect_ex((HOST, port)) == 0


def list_cache_objects(folder: Path) -> dict[str, int]:
    """Sizes in bytes of the objects in a clone's DVC cache, by name."""
    cache = folder / ".dvc/cache/files"
    files = (file for file in cache.rglob("*") if file.is_file())
    return {str(file.relative_to(cache)): file.stat().st_size for file in files}


def configure_remotes(folder: Path, **remotes: Mapping[str, str]) -> None:
    """Write a clone's local settings of remotes, as `dvc remote modify --local`, but faster."""
    lines = []
    for name, settings in remotes.items():
        lines += [
            f"['remote \"{name}\"']",
            *(f"{key} = {value}" for key, value in settings.items()),
        ]
    (folder / ".dvc/config.local").write_text("\n".join(lines))


class ForwardingHandler(socketserver.BaseRequestHandler):
    """Forward one connection to the server and count its bytes."""

    server: "ByteCounter"

    def handle(self) -> None:
        with (
            suppress(OSError),
            socket.create_connection((HOST, self.server.target_port)) as upstream,
        ):
            back = threading.Thread(target=self.forward, args=(upstream, self.request, "down"))
            back.start()
            self.forward(self.request, upstream, "up")
            back.join()

    def forward(self, source: socket.socket, target: socket.socket, way: str) -> None:
        try:
            while data := source.recv(1 << 16):
                with self.server.lock:
                    self.server.passed[way] += len(data)
                target.sendall(data)
        except OSError:  # one end is gone
            pass
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


class ByteCounter(socketserver.ThreadingTCPServer):
    """A proxy for a server's port that counts bytes: `up` to the server and `down` from it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target_port: int) -> None:
        super().__init__((HOST, 0), ForwardingHandler)
        self.target_port, self.lock, self.passed = (
            target_port,
            threading.Lock(),
            {"up": 0, "down": 0},
        )

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def taken(self) -> tuple[int, int]:
        """Return the bytes up and down since the last call."""
        with self.lock:
            up, down = self.passed.values()
            self.passed.update(up=0, down=0)
        return up, down


@contextmanager
def open_byte_counter(port: int) -> Iterator[ByteCounter]:
    """Start a counter in front of a server's port."""
    with ByteCounter(port) as counter:
        threading.Thread(target=counter.serve_forever, daemon=True).start()
        yield counter
        counter.shutdown()


class S3Gateway:
    """Ceph's S3 gateway and its cluster, which a test can kill and start again."""

    def __init__(self, folder: Path, port: int, configuration: Path) -> None:
        self.folder, self.port, self.configuration = folder, port, configuration
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Start one of Ceph's servers, its output in a file."""
        with (self.folder / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                [find_server_program(name, name), "-c", str(self.configuration), "-f", *arguments],
                stdout=out,
                stderr=out,
            )

    def start_store(self) -> None:
        """Start the object store of the cluster."""
        self.start("ceph-osd", "-i", "0")

    def start_gateway(self) -> None:
        """Start the gateway and wait until it accepts connections."""
        self.start("radosgw", "-n", "client.rgw")
        until = time.monotonic() + TIMEOUT_SECONDS
        while not is_open(self.port):
            # the store sometimes queries the monitor too early, and exits
            if self.processes["ceph-osd"].poll() is not None:
                self.start_store()
            assert time.monotonic() < until, (self.folder / "ceph-osd.out").read_text()
            time.sleep(0.1)

    def kill(self, *names: str) -> None:
        """Kill servers with SIGKILL."""
        for name in names:
            self.processes[name].kill()
            self.processes.pop(name).wait()

    def put(self, name: str, content: bytes) -> None:
        """Put a file into the bucket."""
        self.client().put_object(Bucket=BUCKET, Key=name, Body=content)

    def client(self) -> Any:
        """Botocore's client for the user's buckets."""
        return get_session().create_client(
            "s3",
            region_name="default",
            endpoint_url=f"http://{HOST}:{self.port}",
            **{f"aws_{name}": value for name, value in S3_KEYS.items()},
        )


def run_checked(folder: Path, *command: str) -> str:
    """Run a command, which must succeed."""
    answer = run_command(folder, *command)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def run_until_success(folder: Path, *command: str) -> None:
    """Run a command until it succeeds.

    A monitor that has just started sometimes refuses one with EPERM ("problem getting command
    descriptions from mon.").
    """
    until = time.monotonic() + TIMEOUT_SECONDS
    while (answer := run_command(folder, *command)).returncode:
        assert time.monotonic() < until, answer.stdout
        time.sleep(0.1)


@contextmanager
def start_s3_gateway(folder: Path) -> Iterator[S3Gateway]:
    """Start a Ceph cluster of one node in `folder`, with a gateway, a user and an empty bucket."""
    for name in ("radosgw", "ceph-mon", "ceph-osd"):
        find_server_program(name, name)
    monitor, port = free_port(), free_port()
    cluster, store = str(uuid.uuid4()), str(uuid.uuid4())
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    places = {"folder": folder, "monitor": monitor, "gateway": port}
    configuration = folder / "ceph.conf"
    configuration.write_text(CEPH_CONFIG.format(host=HOST, cluster=cluster, **places))
    known = ("-c", str(configuration))
    gateway = S3Gateway(folder, port, configuration)
    address = ("--addv", "a", f"[v1:{HOST}:{monitor}]")
    run_checked(folder, "monmaptool", "--create", "--fsid", cluster, *address, "monmap")
    run_checked(folder, "ceph-mon", *known, "--mkfs", "-i", "a", "--monmap", "monmap")
    try:
        gateway.start("ceph-mon", "-i", "a")
        run_until_success(folder, "ceph", *known, "--connect-timeout", "30", "osd", "new", store)
        run_checked(folder, "ceph-osd", *known, "--mkfs", "-i", "0", "--osd-uuid", store)
        gateway.start_store()
        gateway.start_gateway()
        named = (f"--uid={USER}", f"--display-name={USER}")
        keys = (
            f"--access-key={S3_KEYS['access_key_id']}",
            f"--secret-key={S3_KEYS['secret_access_key']}",
        )
        run_checked(folder, "radosgw-admin", *known, "user", "create", *named, *keys)
        gateway.client().create_bucket(Bucket=BUCKET)
        yield gateway
    finally:
        gateway.kill(*gateway.processes)


class SshServer(NamedTuple):
    """OpenSSH's server: its port, an authorized private key, and its process."""

    port: int
    key: Path
    pid: int


@contextmanager
def start_sshd(folder: Path) -> Iterator[SshServer]:
    """Start OpenSSH's server as the user who runs the tests, with keys made in `folder`."""
    path, port = find_server_program("sshd", "openssh-server"), free_port()
    for name in ("host", "user"):
        run_checked(folder, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(host=HOST, port=port, folder=folder))
    if os.geteuid() == 0:  # for privilege separation
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = folder / "sshd.log"
    command = [path, "-D", "-f", str(folder / "sshd_config"), "-E", str(log)]
    with subprocess.Popen(command) as process:
        try:
            assert wait_until_listening(port), log.read_text()
            yield SshServer(port, folder / "user", process.pid)
        finally:
            process.kill()
