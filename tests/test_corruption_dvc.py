"""Damage where DVC keeps things: what it finds itself, what a stage finds, and the ways back."""

import sys
from pathlib import Path

import pytest
from clones import CHECKOUT, copied, dvc, git, message, ran, refusal, run
from damage import DAMAGES, flipped, put, unlinked

from tench.core.paths import AUDIT, HEAD, INDEX, POOLED, PREPARED, PROBE, PROBE_SCORES
from tench.core.pipelines import all_digests, read_stages

AGAIN = "then run `dvc repro` again"
CACHE = Path(".dvc/cache/files/md5")
FORCE = ("repro", "--force", "--single-item")


@pytest.fixture
def seen(project: Path) -> Path:
    """A finished project whose files DVC has looked at, none linked with another test's."""
    for file in (HEAD, PROBE, PROBE_SCORES, AUDIT, in_cache(project, PROBE)):
        unlinked(project / file)
    dvc(project, "status")
    return project


def in_cache(project: Path, out: Path) -> Path:
    """Where DVC's cache holds what a stage wrote."""
    digest = all_digests(read_stages(project / "dvc.lock"), "outs")[str(out)]
    return CACHE / digest[:2] / digest[2:]


def stage(project: Path, name: str) -> str:
    """The line in which a stage refuses."""
    answer = run(project, sys.executable, "-m", f"stages.{name}")
    assert answer.returncode == 1
    return message(answer.stdout)


def delete(project: Path, said: str) -> None:
    """Delete what a message says is to be deleted."""
    file = said.removeprefix("error: ").partition(": ")[0]
    for name in said.partition(": delete ")[2].partition(", then ")[0].split(" and "):
        (project / (file if name == "it" else name)).unlink()


@pytest.mark.faults
def test_what_dvc_does_not_see_a_stage_finds(seen: Path) -> None:
    content = (seen / PROBE).read_bytes()
    put(seen / PROBE, flipped(content))
    assert "models/probe.npy" not in dvc(seen, "status")
    said = message(refusal(seen, *FORCE, "extract-train"))
    assert said.startswith(f"error: {PROBE}: not what the stage probe wrote: delete it, {AGAIN}")
    delete(seen, said)
    assert ran(dvc(seen, "repro")) == []  # all from the cache
    assert (seen / PROBE).read_bytes() == content


@pytest.mark.faults
def test_damage_in_the_cache_is_found_once_it_is_out_of_it(seen: Path) -> None:
    content, kept = (seen / PROBE).read_bytes(), in_cache(seen, PROBE)
    put(seen / kept, flipped(content))
    (seen / PROBE).unlink()
    dvc(seen, "checkout", str(PROBE))
    assert (seen / PROBE).read_bytes() == flipped(content)  # DVC takes it as it is
    said = stage(seen, "extract_train")
    assert f"delete it and {kept}, {AGAIN}" in said
    delete(seen, said)
    assert ran(dvc(seen, "repro")) == ["probe"]
    assert (seen / PROBE).read_bytes() == (seen / kept).read_bytes() == content


@pytest.mark.faults
@pytest.mark.parametrize("how", DAMAGES)
def test_what_dvc_sees_it_brings_back(seen: Path, how: str) -> None:
    files = (HEAD, PROBE_SCORES, AUDIT, INDEX, POOLED / "00000.npy")
    for file in files:
        unlinked(seen / file)
    dvc(seen, "status")
    before = {file: (seen / file).read_bytes() for file in files}
    for file in files:
        put(seen / file, DAMAGES[how](before[file]), date_kept=False)
    assert ran(dvc(seen, "repro")) == []
    assert {file: (seen / file).read_bytes() for file in files} == before


@pytest.mark.faults
def test_a_stage_run_anew_does_not_mend_the_cache(seen: Path) -> None:
    # why the messages name what is to be deleted there
    content, kept = (seen / PROBE).read_bytes(), in_cache(seen, PROBE)
    put(seen / kept, flipped(content))
    dvc(seen, *FORCE, "probe")
    assert (seen / kept).read_bytes() == flipped(content)


@pytest.mark.faults
def test_a_change_that_is_meant_can_be_kept(seen: Path) -> None:
    put(seen / PROBE, flipped((seen / PROBE).read_bytes()))
    said = stage(seen, "extract_train")
    assert f"`dvc commit -f {PROBE}` keeps it" in said
    (seen / PROBE).touch()
    dvc(seen, "commit", "-f", str(PROBE))
    dvc(seen, *FORCE, "extract-train")


@pytest.mark.faults
def test_a_damaged_picture_stops_embed_and_audit(seen: Path) -> None:
    file = sorted((seen / PREPARED / "train").rglob("*.zip"))[3]
    unlinked(file)
    dvc(seen, "status")
    content, before = file.read_bytes(), (seen / AUDIT).read_bytes()
    put(file, flipped(content))
    where = file.relative_to(seen)
    for name in ("embed", "audit"):
        said = stage(seen, name)
        assert said.startswith(f"error: {where}/")
        assert said.endswith(
            f".webp: damaged, not the pixels that were written: delete {where}, {AGAIN}"
        )
    assert (seen / AUDIT).read_bytes() == before
    delete(seen, said)
    assert ran(dvc(seen, "repro")) == []
    assert file.read_bytes() == content


@pytest.mark.faults
def test_damaged_features_in_the_cache_are_made_anew(seen: Path) -> None:
    digest = all_digests(read_stages(seen / "dvc.lock"), "outs")[str(POOLED)]
    shard = POOLED / "00000.npy"
    scores = (seen / PROBE_SCORES).read_bytes()
    content = (seen / shard).read_bytes()
    (kept,) = [
        file
        for file in (seen / CACHE).rglob("*")
        if file.is_file() and file.read_bytes() == content
    ]
    put(kept, flipped(content))
    (seen / shard).unlink()
    dvc(seen, "checkout", str(POOLED))
    said = stage(seen, "probe")
    assert said.startswith(
        f"error: {shard}: damaged, not the bytes that were written: delete {POOLED}"
    )
    assert f" and {kept.relative_to(seen)}, {AGAIN}" in said
    assert (seen / PROBE_SCORES).read_bytes() == scores
    kept.unlink()
    for file in (seen / POOLED).rglob("*.*"):
        file.unlink()
    assert ran(dvc(seen, "repro")) == ["embed"]
    assert (seen / shard).read_bytes() == kept.read_bytes() == content
    assert all_digests(read_stages(seen / "dvc.lock"), "outs")[str(POOLED)] == digest


@pytest.mark.faults
@pytest.mark.parametrize("how", DAMAGES)
def test_damage_on_a_remote(seen: Path, how: str, tmp_path: Path) -> None:
    dvc(seen, "remote", "add", "--default", "store", str(tmp_path / "store"))
    dvc(seen, "push")
    there = tmp_path / "store" / in_cache(seen, PROBE).relative_to(".dvc/cache")
    content = (seen / PROBE).read_bytes()
    put(there, DAMAGES[how](content))
    clone = copied(seen, tmp_path / "clone")
    (clone / in_cache(clone, PROBE)).unlink()
    (clone / PROBE).unlink()
    verified = copied(clone, tmp_path / "verified")

    dvc(clone, "pull", str(PROBE))  # DVC believes a remote, unless it is told not to
    assert (clone / PROBE).read_bytes() == DAMAGES[how](content)
    said = stage(clone, "extract_train")
    assert f"delete it and {in_cache(clone, PROBE)}, {AGAIN}" in said
    delete(clone, said)
    assert ran(dvc(clone, "repro")) == ["probe"]
    assert (clone / PROBE).read_bytes() == content

    dvc(verified, "remote", "modify", "store", "verify", "true")
    assert str(PROBE) in refusal(verified, "pull", str(PROBE))
    assert not (verified / PROBE).exists()
    there.unlink()
    dvc(clone, "push")
    dvc(verified, "pull", str(PROBE))
    assert (verified / PROBE).read_bytes() == content


@pytest.mark.faults
@pytest.mark.parametrize("how", DAMAGES)
def test_with_a_damaged_list_of_a_folder_its_stage_runs_again_and_again(
    seen: Path, how: str
) -> None:
    out = Path("metrics/audit")  # of a stage that takes little time
    kept = in_cache(seen, out)
    content, before = (seen / kept).read_bytes(), (seen / out / "labels.csv").read_bytes()
    put(seen / kept, DAMAGES[how](content))
    (seen / out / "labels.csv").unlink()
    for _ in range(2):
        assert ran(dvc(seen, "repro", "audit")) == ["audit"]
        assert (seen / out / "labels.csv").read_bytes() == before
    (seen / kept).unlink()
    dvc(seen, "repro", "audit")
    assert (seen / kept).read_bytes() == content
    assert ran(dvc(seen, "repro", "audit")) == []


@pytest.mark.faults
def test_a_damaged_run_cache_is_done_without(seen: Path) -> None:
    content = (seen / PROBE).read_bytes()
    for file in (seen / ".dvc/cache/runs").rglob("*"):
        if file.is_file():
            put(file, flipped(file.read_bytes()))
    (seen / PROBE).unlink()
    dvc(seen, "repro", "probe")
    assert (seen / PROBE).read_bytes() == content


@pytest.mark.faults
def test_a_record_of_a_run_that_a_kill_left_empty_is_deleted(seen: Path) -> None:
    lock, stages = seen / "dvc.lock", read_stages(seen / "dvc.lock")
    lock.write_text(lock.read_text().partition("\n  probe:\n")[0] + "\n")
    (record,) = (
        file
        for file in (seen / ".dvc/cache/runs").glob("*/*/*")
        if "stages.probe" in file.read_text()
    )
    record.unlink()  # it was to be moved into the folder that DVC had made for it
    said = refusal(seen, "repro", "probe")
    assert "join() argument must be str, bytes, or os.PathLike object, not 'NoneType'" in said
    run(seen, "find", ".dvc/cache/runs", "-type", "d", "-empty", "-delete")
    assert ran(dvc(seen, "repro")) == ["probe"]
    assert read_stages(lock) == stages


@pytest.mark.faults
def test_a_damaged_lock_is_made_anew(seen: Path) -> None:
    lock, stages = (seen / "dvc.lock").read_text(), read_stages(seen / "dvc.lock")
    digest = "".join(in_cache(seen, PROBE).parts[-2:])
    other = lock.replace(digest, digest[::-1])
    for text in (other, lock[: lock.index("\n  probe:\n") + 1]):
        assert text != lock
        (seen / "dvc.lock").write_text(text)
        assert ran(dvc(seen, "repro")) in ([], ["probe"])  # the rest is in the run cache
        assert read_stages(seen / "dvc.lock") == stages
    (seen / "dvc.lock").write_text("")
    assert "'./dvc.lock' validation failed" in refusal(seen, "repro")
    git(seen, "checkout", "dvc.lock")
    dvc(seen, "status")


@pytest.mark.faults
def test_the_command_that_looks_at_the_cache(seen: Path) -> None:
    blocks = (CHECKOUT / "docs/faults.md").read_text(encoding="utf-8").split("```")
    command = next(block for block in blocks if "md5sum" in block)
    assert run(seen, "sh", "-ec", command).stdout == ""
    for out in (PROBE, POOLED):  # a file, and the list of a folder
        kept = in_cache(seen, out)
        put(seen / kept, flipped((seen / kept).read_bytes()))
    found = run(seen, "sh", "-ec", command).stdout.splitlines()
    wanted = [in_cache(seen, out).relative_to(CACHE) for out in (PROBE, POOLED)]
    assert sorted(map(Path, found)) == sorted(wanted)
