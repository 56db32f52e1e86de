"""The Dockerfile, built and run by Podman. Its base image is made here, of Debian's packages, since
no registry of images may be at hand: the Debian that has the Python it names."""

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

DEBIAN = {"python:3.13-slim": "trixie"}  # by the base image
PYTHON = "/usr/local/python"  # an environment, whose `python` and `pip` come first
SEARCHED = f"PATH={PYTHON}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "/etc/ssl/certs"  # which this machine trusts, and so pip there


class Podman(NamedTuple):
    """Podman with a storage of its own, and what a container may have here."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        """Podman's command line, without systemd and overlays, which a machine may lack."""
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
        """The command line of a container: read-only, its port 8000 published."""
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
        published = ("--publish", f"{HOST}:{port}:8000")
        return self.command("run", "--read-only", "--no-healthcheck", *limits, *published, *what)


def base_name() -> str:
    """The image that the Dockerfile begins with."""
    lines = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("FROM ")).split()[1]


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman, with the base image. Skipped where that cannot be made, or no container started."""
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
    finished_run: FinishedRun, podman: Podman, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    for name in ("Dockerfile", ".dockerignore", "requirements-serve.lock"):
        shutil.copy(CHECKOUT / name, context)
    for top, name in ((CHECKOUT, "tench"), (finished_run.folder, "models/export")):
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
    image = min((finished_run.folder / "data/sample/val/n02102040").iterdir())
    code, said = post_body(server, image.read_bytes())
    assert (code, said["predictions"][0]["class_name"]) == (200, "dog")

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
