"""The Dockerfile, built and run by Podman.

The base image is made from packages of the Debian release with the same Python, so that the test
needs no image registry.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from classifier_server import HOST, RunningServer, free_port, post_body, wait_until_ready
from pipeline_clones import CHECKOUT, FinishedRun, run_command
from remote_servers import find_server_program, run_checked

pytestmark = pytest.mark.carried

DEBIAN = {"python:3.13-slim": "trixie"}  # Debian release by base image
PYTHON = "/usr/local/python"  # a virtual environment, first in PATH
SEARCHED = f"PATH={PYTHON}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "/etc/ssl/certs"  # of this machine, for pip in the container


class Podman(NamedTuple):
    """Podman with its own storage, and its limits for containers."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        """Podman's command line, without systemd and overlays, which may be missing."""
        storage = ("--storage-driver", "vfs", "--root", f"{self.folder}/storage")
        run_root = ("--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp")
        return [
            *("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs"),
            *storage,
            *run_root,
            *arguments,
        ]

    def must(self, *arguments: str) -> str:
        return run_checked(self.folder, *self.command(*arguments))

    def started(self, port: int, *what: str) -> list[str]:
        """Command line of a read-only container with its port 8000 published."""
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
        published = ("--publish", f"{HOST}:{port}:8000")
        return self.command("run", "--read-only", "--no-healthcheck", *limits, *published, *what)


def base_name() -> str:
    """The base image of the Dockerfile."""
    lines = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("FROM ")).split()[1]


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman with the base image; skipped if it cannot make one or start a container."""
    for name in ("podman", "debootstrap", "runc"):
        find_server_program(name, name)
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    folder = tmp_path_factory.mktemp("podman")
    root, archive, name = folder / "debian", folder / "debian.tar", base_name()
    packages = "--include=python3,python3-venv"
    made = run_command(
        folder, "debootstrap", "--variant=minbase", packages, DEBIAN[name], str(root)
    )
    if made.returncode:
        pytest.skip(f"no base image can be made here: {made.stdout[-500:]}")
    run_checked(folder, "chroot", str(root), "python3", "-m", "venv", PYTHON)
    run_checked(folder, "tar", "-C", str(root), "-cf", str(archive), "--one-file-system", ".")
    shutil.rmtree(root)
    one = Podman(folder)
    one.must("import", "--change", f"ENV {SEARCHED}", str(archive), name)
    archive.unlink()
    version = run_command(folder, *one.started(free_port(), name, "python", "--version"))
    if version.returncode:
        pytest.skip(f"no container can be started here: {version.stdout}")
    named = name.removeprefix("python:").removesuffix("-slim")
    assert version.stdout.startswith(f"Python {named}.")
    yield one
    run_command(folder, *one.command("rm", "--all", "--force"))


def test_the_image_is_built_and_serves_read_only_as_nobody(
    base: FinishedRun, podman: Podman, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    for name in ("Dockerfile", ".dockerignore", "requirements-serve.lock"):
        shutil.copy(CHECKOUT / name, context)
    for top, name in ((CHECKOUT, "tench"), (base.folder, "models/export")):
        shutil.copytree(top / name, context / name)
    trusted = ("--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro")
    how = ("--format", "docker", "--isolation", "chroot", "--network", "host")
    own = ("--pull-never", "--layers=false")
    podman.must("build", *how, *own, *trusted, "--tag", "tench", str(context))

    port, log = free_port(), tmp_path / "log"
    with log.open("w") as out:
        command = podman.started(port, "--name", "served", "tench")
        process = subprocess.Popen(command, stdout=out, stderr=out, text=True)
    server = RunningServer(port, process, log)
    wait_until_ready(server)
    image = min((base.folder / "data/sample/val/n02102040").iterdir())
    code, response = post_body(server, image.read_bytes())
    assert (code, response["predictions"][0]["class_name"]) == (200, "dog")

    (about,) = json.loads(podman.must("image", "inspect", "tench"))
    kind, *check = about["Healthcheck"]["Test"]
    assert kind == "CMD"
    podman.must("exec", "served", *check)
    assert podman.must("exec", "served", "id", "-u").strip() == "65534"
    written = run_command(tmp_path, *podman.command("exec", "served", "touch", "/app/one"))
    assert "Read-only file system" in written.stdout

    podman.must("stop", "--time", "60", "served")
    assert process.wait(30) == 0
    assert "Traceback" not in log.read_text()
