"""Two people who share what they made through a folder that OpenSSH's server lets them into."""

import getpass
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clones import Finished, commit, copied, dvc, git, ran, refusal
from remotes import Counter, Sshd, configure, counted, must, objects, sshd
from serving import CLOSED_PORT, HOST

pytestmark = [pytest.mark.sharing, pytest.mark.usefixtures("stranger")]

SOON = 120  # seconds in which DVC gives up: a few on a machine with nothing else to do


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture(scope="module")
def counter(server: Sshd) -> Iterator[Counter]:
    with counted(server.port) as one:
        yield one


@pytest.fixture(scope="module")
def anna(
    base: Finished, server: Sshd, counter: Counter, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project with a remote on the server, nothing pushed."""
    folder = copied(base.folder, tmp_path_factory.mktemp("anna") / "project")
    store = tmp_path_factory.mktemp("store")
    url = f"ssh://{getpass.getuser()}@{HOST}:{counter.port}{store}/project"
    dvc(folder, "remote", "add", "--default", "storage", url)
    commit(folder)
    configure(folder, storage={"keyfile": str(server.key)})
    return folder


STAGES = ("weights", "finetune", "export", "report")  # whose outputs are shared here


def cloned(anna: Path, server: Sshd, folder: Path) -> Path:
    """A clone that has the key."""
    git(anna, "clone", "--quiet", str(anna), str(folder))
    configure(folder, storage={"keyfile": str(server.key)})
    return folder


def test_a_push_cut_in_the_middle_is_mended_and_pulled(
    anna: Path, server: Sshd, counter: Counter, tmp_path: Path
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
    dvc(anna, "push", *STAGES)

    ben = cloned(anna, server, tmp_path / "ben")
    counter.taken()
    dvc(ben, "pull", *STAGES)
    held = sum(objects(ben).values())
    assert cut < held < counter.taken()[1] < 1.05 * held
    assert ran(dvc(ben, "repro", "--allow-missing")) == []
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
def test_what_is_wrong_is_told_soon(
    anna: Path, server: Sshd, tmp_path: Path, name: str, value: str, said: str
) -> None:
    clone = cloned(anna, server, tmp_path / "clone")
    must(clone, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "other")
    value = str(clone / value) if name == "keyfile" else value
    configure(clone, storage={"keyfile": str(server.key), name: value})
    begun = time.monotonic()
    assert said in refusal(clone, "pull", "models/labels.txt")
    assert time.monotonic() - begun < SOON
