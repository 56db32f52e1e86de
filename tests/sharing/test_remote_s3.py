"""Two people who share what they made through a bucket of Ceph's S3 gateway and a bare repository
of git, and what passes between them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from classifier_server import CLOSED_PORT, HOST
from pipeline_clones import (
    FinishedRun,
    commit_all,
    copy_finished_run,
    run_command,
    run_dvc,
    run_dvc_failing,
    run_git,
    set_params,
    stages_run,
)
from remote_servers import (
    BUCKET,
    S3_KEYS,
    ByteCounter,
    S3Gateway,
    configure_remotes,
    list_cache_objects,
    open_byte_counter,
    start_s3_gateway,
)

pytestmark = pytest.mark.usefixtures("empty_home")

STAGES = ("weights", "finetune", "export", "report")  # whose outputs are pushed in the cut push
TAIL = ["finetune", "evaluate", "export", "report"]
TOLD = 1_000_000  # bytes at most of requests, answers and the run cache, 1,000 a file
SOON = 120  # seconds in which DVC gives up: ten on a machine with nothing else to do


class Hub(NamedTuple):
    """Where two people meet, and what Anna brought there."""

    git: Path  # bare repository
    counter: ByteCounter  # before the gateway
    anna: Path  # her project, pushed
    pushed: int  # bytes


def cloned(hub: Hub, folder: Path) -> Path:
    """A clone of the repository, signed in."""
    run_git(hub.git, "clone", "--quiet", str(hub.git), str(folder))
    configure_remotes(folder, storage=S3_KEYS)
    hub.counter.taken()
    return folder


def held_by(folder: Path) -> int:
    """The bytes that a clone's DVC cache holds."""
    return sum(list_cache_objects(folder).values())


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Gateway]:
    with start_s3_gateway(tmp_path_factory.mktemp("ceph")) as one:
        yield one


@pytest.fixture(scope="module")
def hub(
    finished_run: FinishedRun, gateway: S3Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hub]:
    """Anna pushes all she has."""
    folder = tmp_path_factory.mktemp("hub")
    bare, anna = folder / "tench.git", copy_finished_run(finished_run.folder, folder / "anna")
    run_git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    with open_byte_counter(gateway.port) as counter:
        run_dvc(anna, "remote", "add", "--default", "storage", f"s3://{BUCKET}/project")
        address = f"http://{HOST}:{counter.port}"
        run_dvc(anna, "remote", "modify", "storage", "endpointurl", address)
        commit_all(anna)
        run_git(anna, "remote", "add", "origin", str(bare))
        run_git(anna, "push", "--quiet", "origin", "main")
        configure_remotes(anna, storage=S3_KEYS)
        run_dvc(anna, "push", "--run-cache")
        yield Hub(bare, counter, anna, counter.taken()[0])


@pytest.fixture(scope="module")
def ben(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ben's clone, elsewhere and pulled."""
    folder = cloned(hub, tmp_path_factory.mktemp("elsewhere") / "ben")
    run_dvc(folder, "pull")
    assert 0 < hub.counter.taken()[1] - held_by(folder) < TOLD
    assert 0 < hub.pushed - held_by(folder) < TOLD
    return folder


def test_what_one_made_the_other_need_not_make(hub: Hub, ben: Path) -> None:
    output = run_dvc(ben, "repro", "--allow-missing")
    assert stages_run(output) == []
    assert "Data and pipelines are up to date." in output
    assert run_git(ben, "status", "--porcelain") == ""
    # what is in nobody's cache is made: the raw images, and the file that names their folder
    assert stages_run(run_dvc(ben, "repro")) == ["raw", "sample"]
    changed = run_git(ben, "diff", "--name-only").split()
    assert changed in ([], ["metrics/costs.json"])  # what making them cost here
    assert hub.counter.taken() == (0, 0)


def test_an_experiment_of_one_is_applied_by_the_other(hub: Hub, ben: Path) -> None:
    options = ("--allow-missing", "--name", "slower", "-S", "finetune.learning_rate=1.0e-5")
    assert stages_run(run_dvc(ben, "exp", "run", *options)) == TAIL
    assert hub.counter.taken() == (0, 0)
    mine, theirs = list_cache_objects(ben), list_cache_objects(hub.anna)
    new = sum(size for name, size in mine.items() if name not in theirs)

    run_dvc(ben, "exp", "push", "origin", "slower")
    up, down = hub.counter.taken()
    assert new < up < new + TOLD
    assert down < TOLD
    assert "slower" in run_dvc(hub.anna, "exp", "list", "origin")
    run_dvc(hub.anna, "exp", "pull", "origin", "slower")
    up, down = hub.counter.taken()
    assert new < down < new + TOLD
    assert up < TOLD

    compared = run_command(hub.anna, sys.executable, "-m", "tench.compare")
    assert compared.returncode == 0, compared.stdout
    assert "slower  " in compared.stdout
    run_dvc(hub.anna, "exp", "apply", "slower")
    assert stages_run(run_dvc(hub.anna, "repro")) == []
    assert (hub.anna / "dvc.lock").read_bytes() == (ben / "dvc.lock").read_bytes()
    assert hub.counter.taken() == (0, 0)


def test_later_stages_run_without_the_images(hub: Hub, tmp_path: Path) -> None:
    cora, missing = cloned(hub, tmp_path / "cora"), ("--pull", "--allow-missing")
    settings = ("-S", "finetune.epochs=1")
    assert stages_run(run_dvc(cora, "exp", "run", *missing, *settings)) == TAIL
    _, down = hub.counter.taken()
    assert 0 < down < held_by(cora) + TOLD
    assert down < hub.pushed // 2
    assert (cora / "data/eval_subset").exists()
    for folder in ("data/sample", "data/prepared", "data/features/pooled"):
        assert not (cora / folder).exists(), folder
    set_params(cora, {"finetune.epochs": 2})
    assert stages_run(run_dvc(cora, "repro", *missing)) == TAIL
    assert hub.counter.taken()[1] < TOLD


def test_an_interrupted_push_is_completed_by_the_next(
    hub: Hub, gateway: S3Gateway, finished_run: FinishedRun, tmp_path: Path
) -> None:
    dora = cloned(hub, tmp_path / "dora")
    (dora / ".dvc/cache").symlink_to(hub.anna / ".dvc/cache")
    configure_remotes(dora, storage=S3_KEYS | {"url": f"s3://{BUCKET}/cut"})
    # at every file it would ask botocore again five times over, and again
    once = os.environ | {"AWS_MAX_ATTEMPTS": "1"}
    command = [sys.executable, "-m", "dvc", "push", *STAGES]
    with subprocess.Popen(command, cwd=dora, env=once, stdout=subprocess.PIPE, text=True) as push:
        while hub.counter.passed["up"] < 10_000_000 and push.poll() is None:
            time.sleep(0.01)
        gateway.kill("radosgw")
        push.communicate(timeout=SOON)
    gateway.start_gateway()
    assert push.returncode != 0
    cut = hub.counter.taken()[0]
    run_dvc(dora, "push", *STAGES)

    eve = cloned(hub, tmp_path / "eve")
    configure_remotes(eve, storage=S3_KEYS | {"url": f"s3://{BUCKET}/cut"})
    run_dvc(eve, "pull", *STAGES)
    assert cut < held_by(eve) < hub.counter.taken()[1]
    assert stages_run(run_dvc(eve, "repro", "--allow-missing")) == []
    for name in ("models/export/model.onnx", "models/classifier.keras", "report/page.html"):
        assert (eve / name).read_bytes() == (finished_run.folder / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("access_key_id", "nobody", "(403) when calling the HeadObject operation: Forbidden"),
        ("secret_access_key", "wrong", "(403) when calling the HeadObject operation: Forbidden"),
        ("url", "s3://other/project", "some of the cache files do not exist"),
        ("endpointurl", "http://nowhere.invalid", "Could not connect to the endpoint URL"),
        ("endpointurl", f"http://{HOST}:{CLOSED_PORT}", "Could not connect to the endpoint URL"),
    ],
)
def test_errors_are_reported_soon(
    hub: Hub, tmp_path: Path, name: str, value: str, said: str
) -> None:
    clone = cloned(hub, tmp_path / "clone")
    configure_remotes(clone, storage=S3_KEYS | {name: value})
    begun = time.monotonic()
    assert said.lower() in run_dvc_failing(clone, "pull", "models/labels.txt").lower()
    assert time.monotonic() - begun < SOON


def test_without_keys_it_is_reported_soon(hub: Hub, tmp_path: Path) -> None:
    run_git(hub.git, "clone", "--quiet", str(hub.git), str(tmp_path / "clone"))
    begun = time.monotonic()
    said = run_dvc_failing(tmp_path / "clone", "pull", "models/labels.txt")
    assert "Unable to locate credentials" in said
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize("way", ["import-url", "add"])
def test_raw_images_of_one_s_own(
    hub: Hub, gateway: S3Gateway, finished_run: FinishedRun, tmp_path: Path, way: str
) -> None:
    frida, flowers = cloned(hub, tmp_path / "frida"), Path("data/flowers")
    for place in ("train/n01440764", "train/n02102040", "val/n01440764", "val/n02102040"):
        for file in sorted((finished_run.folder / "data/sample" / place).iterdir())[:12]:
            name = f"{place}/{file.name}"
            if way == "add":
                (frida / flowers / place).mkdir(parents=True, exist_ok=True)
                (frida / flowers / name).write_bytes(file.read_bytes())
            else:
                gateway.put(f"flowers/{name}", file.read_bytes())
    if way == "add":
        run_dvc(frida, "add", str(flowers))
    else:
        run_dvc(frida, "remote", "add", "images", f"s3://{BUCKET}/flowers")
        address = f"http://{HOST}:{hub.counter.port}"
        run_dvc(frida, "remote", "modify", "images", "endpointurl", address)
        configure_remotes(frida, storage=S3_KEYS, images=S3_KEYS)
        run_dvc(frida, "import-url", "remote://images", str(flowers))
    set_params(frida, {"data.raw": str(flowers)})
    assert stages_run(run_dvc(frida, "repro", "prepare")) == ["raw", "prepare"]
    commit_all(frida)
    run_dvc(frida, "push", f"{flowers}.dvc", "prepare")

    gerd = tmp_path / "gerd"
    run_git(tmp_path, "clone", "--quiet", str(frida), str(gerd))
    configure_remotes(gerd, storage=S3_KEYS)
    run_dvc(gerd, "pull", f"{flowers}.dvc", "prepare")
    assert len(list((gerd / flowers).rglob("*.jpg"))) == 48
    assert stages_run(run_dvc(gerd, "repro", "prepare")) == ["raw"]
    assert run_git(gerd, "diff", "--name-only").split() in ([], ["metrics/costs.json"])
