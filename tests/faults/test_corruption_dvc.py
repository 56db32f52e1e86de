"""Damage where DVC keeps things: what it finds itself, what a stage finds, and the ways back."""

import sys
from pathlib import Path

import pytest
from file_damage import DAMAGE_KINDS, break_hard_link, flip_bit, overwrite_file
from pipeline_clones import (
    CHECKOUT,
    copy_finished_run,
    error_line,
    run_command,
    run_dvc,
    run_dvc_failing,
    run_git,
    stages_run,
)

from tench.core.paths import (
    AUDIT_METRICS,
    HEAD,
    INDEX,
    POOLED_FEATURES,
    PREPARED,
    PROBE,
    PROBE_SCORES,
)
from tench.run.dvc_files import all_stage_digests, read_stages

AGAIN = "then run `dvc repro` again"
CACHE = Path(".dvc/cache/files/md5")
FORCE = ("repro", "--force", "--single-item")


@pytest.fixture
def seen(project: Path) -> Path:
    """A finished project whose files DVC has looked at, none linked with another test's."""
    for file in (HEAD, PROBE, PROBE_SCORES, AUDIT_METRICS, in_cache(project, PROBE)):
        break_hard_link(project / file)
    run_dvc(project, "status")
    return project


def in_cache(project: Path, out: Path) -> Path:
    """Where DVC's cache holds what a stage wrote."""
    digest = all_stage_digests(read_stages(project / "dvc.lock"), "outs")[str(out)]
    return CACHE / digest[:2] / digest[2:]


def stage(project: Path, name: str) -> str:
    """The line in which a stage refuses."""
    answer = run_command(project, sys.executable, "-m", f"stages.{name}")
    assert answer.returncode == 1
    return error_line(answer.stdout)


def delete(project: Path, said: str) -> None:
    """Delete the files that an error message lists for deletion."""
    file = said.removeprefix("error: ").partition(": ")[0]
    for name in said.partition(": delete ")[2].partition(", then ")[0].split(" and "):
        (project / (file if name == "it" else name)).unlink()


def test_a_stage_finds_damage_that_dvc_overlooks(seen: Path) -> None:
    content = (seen / PROBE).read_bytes()
    overwrite_file(seen / PROBE, flip_bit(content))
    assert "models/probe.npy" not in run_dvc(seen, "status")
    said = error_line(run_dvc_failing(seen, *FORCE, "extract-train"))
    assert said.startswith(f"error: {PROBE}: not what the stage probe wrote: delete it, {AGAIN}")
    delete(seen, said)
    assert stages_run(run_dvc(seen, "repro")) == []  # all from the cache
    assert (seen / PROBE).read_bytes() == content


def test_damage_in_the_cache_is_found_once_it_is_out_of_it(seen: Path) -> None:
    content, kept = (seen / PROBE).read_bytes(), in_cache(seen, PROBE)
    overwrite_file(seen / kept, flip_bit(content))
    (seen / PROBE).unlink()
    run_dvc(seen, "checkout", str(PROBE))
    assert (seen / PROBE).read_bytes() == flip_bit(content)  # DVC takes it as it is
    said = stage(seen, "extract_train")
    assert f"delete it and {kept}, {AGAIN}" in said
    delete(seen, said)
    assert stages_run(run_dvc(seen, "repro")) == ["probe"]
    assert (seen / PROBE).read_bytes() == (seen / kept).read_bytes() == content


@pytest.mark.parametrize("how", DAMAGE_KINDS)
def test_dvc_restores_changed_outputs(seen: Path, how: str) -> None:
    files = (HEAD, PROBE_SCORES, AUDIT_METRICS, INDEX, POOLED_FEATURES / "00000.npy")
    for file in files:
        break_hard_link(seen / file)
    run_dvc(seen, "status")
    before = {file: (seen / file).read_bytes() for file in files}
    for file in files:
        overwrite_file(seen / file, DAMAGE_KINDS[how](before[file]), date_kept=False)
    assert stages_run(run_dvc(seen, "repro")) == []
    assert {file: (seen / file).read_bytes() for file in files} == before


def test_a_stage_run_again_does_not_repair_the_cache(seen: Path) -> None:
    # why the messages name what is to be deleted there
    content, kept = (seen / PROBE).read_bytes(), in_cache(seen, PROBE)
    overwrite_file(seen / kept, flip_bit(content))
    run_dvc(seen, *FORCE, "probe")
    assert (seen / kept).read_bytes() == flip_bit(content)


def test_an_intended_change_can_be_committed(seen: Path) -> None:
    overwrite_file(seen / PROBE, flip_bit((seen / PROBE).read_bytes()))
    said = stage(seen, "extract_train")
    assert f"`dvc commit -f {PROBE}` keeps it" in said
    (seen / PROBE).touch()
    run_dvc(seen, "commit", "-f", str(PROBE))
    run_dvc(seen, *FORCE, "extract-train")


def test_a_damaged_image_stops_embed_and_audit(seen: Path) -> None:
    file = sorted((seen / PREPARED / "train").rglob("*.zip"))[3]
    break_hard_link(file)
    run_dvc(seen, "status")
    content, before = file.read_bytes(), (seen / AUDIT_METRICS).read_bytes()
    overwrite_file(file, flip_bit(content))
    where = file.relative_to(seen)
    for name in ("embed", "audit"):
        said = stage(seen, name)
        assert said.startswith(f"error: {where}/")
        assert said.endswith(
            f".webp: damaged, not the pixels that were written: delete {where}, {AGAIN}"
        )
    assert (seen / AUDIT_METRICS).read_bytes() == before
    delete(seen, said)
    assert stages_run(run_dvc(seen, "repro")) == []
    assert file.read_bytes() == content


def test_damaged_features_in_the_cache_are_made_again(seen: Path) -> None:
    digest = all_stage_digests(read_stages(seen / "dvc.lock"), "outs")[str(POOLED_FEATURES)]
    shard = POOLED_FEATURES / "00000.npy"
    scores = (seen / PROBE_SCORES).read_bytes()
    content = (seen / shard).read_bytes()
    (kept,) = [
        file
        for file in (seen / CACHE).rglob("*")
        if file.is_file() and file.read_bytes() == content
    ]
    overwrite_file(kept, flip_bit(content))
    (seen / shard).unlink()
    run_dvc(seen, "checkout", str(POOLED_FEATURES))
    said = stage(seen, "probe")
    assert said.startswith(
        f"error: {shard}: damaged, not the bytes that were written: delete {POOLED_FEATURES}"
    )
    assert f" and {kept.relative_to(seen)}, {AGAIN}" in said
    assert (seen / PROBE_SCORES).read_bytes() == scores
    kept.unlink()
    for file in (seen / POOLED_FEATURES).rglob("*.*"):
        file.unlink()
    assert stages_run(run_dvc(seen, "repro")) == ["embed"]
    assert (seen / shard).read_bytes() == kept.read_bytes() == content
    assert all_stage_digests(read_stages(seen / "dvc.lock"), "outs")[str(POOLED_FEATURES)] == digest


@pytest.mark.parametrize("how", DAMAGE_KINDS)
def test_damage_on_a_remote(seen: Path, how: str, tmp_path: Path) -> None:
    run_dvc(seen, "remote", "add", "--default", "store", str(tmp_path / "store"))
    run_dvc(seen, "push")
    there = tmp_path / "store" / in_cache(seen, PROBE).relative_to(".dvc/cache")
    content = (seen / PROBE).read_bytes()
    overwrite_file(there, DAMAGE_KINDS[how](content))
    clone = copy_finished_run(seen, tmp_path / "clone")
    (clone / in_cache(clone, PROBE)).unlink()
    (clone / PROBE).unlink()
    verified = copy_finished_run(clone, tmp_path / "verified")

    run_dvc(clone, "pull", str(PROBE))  # DVC trusts a remote unless `verify` is set
    assert (clone / PROBE).read_bytes() == DAMAGE_KINDS[how](content)
    said = stage(clone, "extract_train")
    assert f"delete it and {in_cache(clone, PROBE)}, {AGAIN}" in said
    delete(clone, said)
    assert stages_run(run_dvc(clone, "repro")) == ["probe"]
    assert (clone / PROBE).read_bytes() == content

    run_dvc(verified, "remote", "modify", "store", "verify", "true")
    assert str(PROBE) in run_dvc_failing(verified, "pull", str(PROBE))
    assert not (verified / PROBE).exists()
    there.unlink()
    run_dvc(clone, "push")
    run_dvc(verified, "pull", str(PROBE))
    assert (verified / PROBE).read_bytes() == content


@pytest.mark.parametrize("how", DAMAGE_KINDS)
def test_with_a_damaged_list_of_a_folder_its_stage_runs_again_and_again(
    seen: Path, how: str
) -> None:
    out = Path("metrics/audit")  # of a stage that takes little time
    kept = in_cache(seen, out)
    content, before = (seen / kept).read_bytes(), (seen / out / "labels.csv").read_bytes()
    overwrite_file(seen / kept, DAMAGE_KINDS[how](content))
    (seen / out / "labels.csv").unlink()
    for _ in range(2):
        assert stages_run(run_dvc(seen, "repro", "audit")) == ["audit"]
        assert (seen / out / "labels.csv").read_bytes() == before
    (seen / kept).unlink()
    run_dvc(seen, "repro", "audit")
    assert (seen / kept).read_bytes() == content
    assert stages_run(run_dvc(seen, "repro", "audit")) == []


def test_a_damaged_run_cache_is_ignored(seen: Path) -> None:
    content = (seen / PROBE).read_bytes()
    for file in (seen / ".dvc/cache/runs").rglob("*"):
        if file.is_file():
            overwrite_file(file, flip_bit(file.read_bytes()))
    (seen / PROBE).unlink()
    run_dvc(seen, "repro", "probe")
    assert (seen / PROBE).read_bytes() == content


def test_a_record_of_a_run_that_a_kill_left_empty_is_deleted(seen: Path) -> None:
    lock, stages = seen / "dvc.lock", read_stages(seen / "dvc.lock")
    lock.write_text(lock.read_text().partition("\n  probe:\n")[0] + "\n")
    (record,) = (
        file
        for file in (seen / ".dvc/cache/runs").glob("*/*/*")
        if "stages.probe" in file.read_text()
    )
    record.unlink()  # it was to be moved into the folder that DVC had made for it
    said = run_dvc_failing(seen, "repro", "probe")
    assert "join() argument must be str, bytes, or os.PathLike object, not 'NoneType'" in said
    run_command(seen, "find", ".dvc/cache/runs", "-type", "d", "-empty", "-delete")
    assert stages_run(run_dvc(seen, "repro")) == ["probe"]
    assert read_stages(lock) == stages


def test_a_damaged_lock_is_made_again(seen: Path) -> None:
    lock, stages = (seen / "dvc.lock").read_text(), read_stages(seen / "dvc.lock")
    digest = "".join(in_cache(seen, PROBE).parts[-2:])
    other = lock.replace(digest, digest[::-1])
    for text in (other, lock[: lock.index("\n  probe:\n") + 1]):
        assert text != lock
        (seen / "dvc.lock").write_text(text)
        assert stages_run(run_dvc(seen, "repro")) in ([], ["probe"])  # the rest is in the run cache
        assert read_stages(seen / "dvc.lock") == stages
    (seen / "dvc.lock").write_text("")
    assert "'./dvc.lock' validation failed" in run_dvc_failing(seen, "repro")
    run_git(seen, "checkout", "dvc.lock")
    run_dvc(seen, "status")


def test_the_command_that_checks_the_cache(seen: Path) -> None:
    blocks = (CHECKOUT / "docs/faults.md").read_text(encoding="utf-8").split("```")
    command = next(block for block in blocks if "md5sum" in block)
    assert run_command(seen, "sh", "-ec", command).stdout == ""
    for out in (PROBE, POOLED_FEATURES):  # a file, and the list of a folder
        kept = in_cache(seen, out)
        overwrite_file(seen / kept, flip_bit((seen / kept).read_bytes()))
    found = run_command(seen, "sh", "-ec", command).stdout.splitlines()
    wanted = [in_cache(seen, out).relative_to(CACHE) for out in (PROBE, POOLED_FEATURES)]
    assert sorted(map(Path, found)) == sorted(wanted)
