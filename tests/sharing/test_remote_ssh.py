"""Two people who share what they made through a folder that OpenSSH's server lets them into."""

import getpass
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from classifier_server import CLOSED_PORT, HOST
from pipeline_clones import (
    FinishedRun,
    commit_all,
    copy_finished_run,
    run_dvc,
    run_dvc_failing,
    run_git,
    stages_run,
)
from remote_servers import (
    ByteCounter,
    SshServer,
    configure_remotes,
    list_cache_objects,
    open_byte_counter,
    run_checked,
    start_sshd,
)

pytestmark = pytest.mark.usefixtures("empty_home")

SOON = 120  # seconds in which DVC gives up: a few on a machine with nothing else to do


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with start_sshd(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture(scope="module")
def counter(server: SshServer) -> Iterator[ByteCounter]:
    with open_byte_counter(server.port) as one:
        yield one


@pytest.fixture(scope="module")
def anna(
    finished_run: FinishedRun,
    server: SshServer,
    counter: ByteCounter,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A project with a remote on the server, nothing pushed."""
    folder = copy_finished_run(finished_run.folder, tmp_path_factory.mktemp("anna") / "project")
    store = tmp_path_factory.mktemp("store")
    url = f"ssh://{getpass.getuser()}@{HOST}:{counter.port}{store}/project"
    run_dvc(folder, "remote", "add", "--default", "storage", url)
    commit_all(folder)
    configure_remotes(folder, storage={"keyfile": str(server.key)})
    return folder


STAGES = ("weights", "finetune", "export", "report")  # whose outputs are shared here


def cloned(anna: Path, server: SshServer, folder: Path) -> Path:
    """A clone that has the key."""
    run_git(anna, "clone", "--quiet", str(anna), str(folder))
    configure_remotes(folder, storage={"keyfile": str(server.key)})
    return folder


def test_an_interrupted_push_is_completed_and_pulled(
    anna: Path, server: SshServer, counter: ByteCounter, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "dvc", "push", *STAGES]
    with subprocess.Popen(command, cwd=anna, stdout=subprocess.PIPE, text=True) as push:
        while counter.passed["up"] < 10_000_000 and push.poll() is None:
            time.sleep(0.01)
        for session in psutil.Process(server.pid).children(recursive=True):
            session.kill()
        push.communicate(timeout=SOON)
    assert push.returncode != 0
    cut = counter.taken()[0]
    run_dvc(anna, "push", *STAGES)

    ben = cloned(anna, server, tmp_path / "ben")
    counter.taken()
    run_dvc(ben, "pull", *STAGES)
    held = sum(list_cache_objects(ben).values())
    assert cut < held < counter.taken()[1] < 1.05 * held
    assert stages_run(run_dvc(ben, "repro", "--allow-missing")) == []
    for name in ("models/export/model.onnx", "models/classifier.keras", "report/page.html"):
        assert (ben / name).read_bytes() == (anna / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("keyfile", "other", "Permission denied for user"),
        ("keyfile", "none", "No such file or directory"),
        ("port", str(CLOSED_PORT), "Connect call failed"),
        ("url", "ssh://nowhere.invalid/store", "Name or service not known"),
    ],
)
def test_errors_are_reported_soon(
    anna: Path, server: SshServer, tmp_path: Path, name: str, value: str, said: str
) -> None:
    clone = cloned(anna, server, tmp_path / "clone")
    run_checked(clone, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "other")
    value = str(clone / value) if name == "keyfile" else value
    configure_remotes(clone, storage={"keyfile": str(server.key), name: value})
    begun = time.monotonic()
    assert said in run_dvc_failing(clone, "pull", "models/labels.txt")
    assert time.monotonic() - begun < SOON
