"""What is read is compared with what was written: no damage reaches a metric.

Found without DVC here; what DVC finds, and the ways back, are in test_corruption_dvc.py.
"""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_damage import DAMAGE_KINDS, flip_bit, overwrite_file, temporarily_damaged
from pipeline_clones import CHECKOUT, read_pipeline_stages

from tench.core.errors import TenchError
from tench.core.paths import HEAD, INDEX, METRICS, PREPARED, PREPARED_INDEX, SCORES
from tench.core.zip_packs import find_pack, read_from_pack
from tench.data.index import digest_file, read_index
from tench.data.store.prepared_images import read_prepared
from tench.data.store.shards import open_shards
from tench.deploy.runtime.export_folder import DESCRIPTION_FILE, MODEL_FILES, RUNTIMES, read_export
from tench.deploy.runtime.predictor import open_classifier
from tench.run import recovery
from tench.run.verify import VERIFIED_WHEN_READ, check_inputs, check_results, stage_inputs

AGAIN = "then run `dvc repro` again"
INDICES = (PREPARED_INDEX, INDEX)
STAGES = read_pipeline_stages()
OUTS = {out for stage in STAGES.values() for out in stage.outs}


def inputs_of(stage: str) -> list[str]:
    """What a stage reads that another wrote, by dvc.yaml."""
    deps = [dep.replace("${data.raw}", "data/sample") for dep in STAGES[stage].deps]
    return sorted(dep for dep in deps if dep in OUTS or dep in map(str, INDICES))


# Every input of the pipeline, with a stage that reads it.
READ = {dep: stage for stage in STAGES for dep in inputs_of(stage)}


@pytest.fixture
def _in(unchanged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a finished project, without a call of DVC for its cache folder."""
    monkeypatch.chdir(unchanged)
    monkeypatch.setattr(recovery, "dvc_objects_folder", lambda: Path(".dvc/cache/files/md5"))


def first_file(path: Path) -> Path:
    """A file, or the first in a folder that has content."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.stat().st_size > 1)
    return files[0] if files else path


def refusal(read: Callable[[], object], *files: Path) -> str:
    """The error for a damaged file: it names one of these files and the fix."""
    with pytest.raises(TenchError) as caught:
        read()
    said = str(caught.value)
    assert said.startswith(tuple(f"{file}: " for file in files)), said
    assert ": delete " in said
    assert AGAIN in said
    assert "\n" not in said
    return said


def found(read: Callable[[], Any], file: Path, content: bytes) -> Any:
    """The result of reading a file with other bytes, or the error message."""
    overwrite_file(file, content)
    try:
        return read()
    except TenchError as error:
        return str(error)


def read(dep: str) -> None:
    """Look at an input as the stages do that read it."""
    if Path(dep) in INDICES:
        read_index(Path(dep))
    elif Path(dep) in VERIFIED_WHEN_READ:
        open_shards(Path(dep), read_index())
    else:
        check_inputs(READ[dep])


@pytest.mark.parametrize("dep", READ)
@pytest.mark.usefixtures("_in")
def test_damage_is_found_by_every_reader(dep: str) -> None:
    file = first_file(Path(dep))
    for how in DAMAGE_KINDS:
        with temporarily_damaged(file, how):
            refusal(lambda: read(dep), file, *([Path(dep)] if dep == "data/sample" else []))
    read(dep)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.usefixtures("_in")
def test_a_stage_compares_all_that_it_reads(stage: str) -> None:
    assert set(inputs_of(stage)) <= set(map(str, stage_inputs(stage)))
    check_inputs(stage)


@pytest.mark.usefixtures("_in")
def test_a_missing_input_is_reported() -> None:
    HEAD.rename("elsewhere")
    try:
        with pytest.raises(
            TenchError, match=r"^models/head\.weights\.h5: missing: run `dvc repro`"
        ):
            check_inputs("finetune")
    finally:
        Path("elsewhere").rename(HEAD)


@pytest.mark.parametrize("folder", VERIFIED_WHEN_READ, ids=str)
@pytest.mark.usefixtures("_in")
def test_a_damaged_manifest_is_found(folder: Path) -> None:
    file, rows = folder / "manifest.json", read_index()
    for how in DAMAGE_KINDS:
        with temporarily_damaged(file, how):
            refusal(lambda: open_shards(folder, rows), file, folder, first_file(folder))


@pytest.mark.usefixtures("_in")
def test_whatever_bit_of_the_index_is_flipped_it_is_refused() -> None:
    chance = random.Random(1)
    for file in (INDEX, digest_file(INDEX)):
        content = file.read_bytes()
        for bit in chance.sample(range(8 * len(content)), 8):
            overwrite_file(file, flip_bit(content, bit))
            assert str(digest_file(INDEX)) in refusal(read_index, INDEX)
        overwrite_file(file, content)
    assert len(read_index()) == 600


@pytest.mark.usefixtures("_in")
def test_a_damaged_prepared_image_is_found() -> None:
    file = find_pack(PREPARED / read_index()[7].path)
    one = max(row for row in read_index() if row.path.startswith(str(file.relative_to(PREPARED))))
    place = PREPARED / one.path  # the last of its pack, which no cut spares
    content, pixels = file.read_bytes(), read_prepared(one)
    for how in ("cut to half", "cut to nothing"):
        with temporarily_damaged(file, how):
            refusal(lambda: read_prepared(one), place)
    begin = content.index(read_from_pack(place))  # other bits are others' images
    bits = random.Random(2).sample(range(8 * begin, 8 * (begin + len(read_from_pack(place)))), 30)
    said = [found(lambda: read_prepared(one), file, flip_bit(content, bit)) for bit in bits]
    overwrite_file(file, content)
    refused = [text for text in said if isinstance(text, str)]
    assert all(text.startswith(f"{place}: damaged") for text in refused)
    assert len(refused) > 25  # a few bits are of no account to a decoder
    for harmless in said:
        assert isinstance(harmless, str) or np.array_equal(harmless, pixels)


@pytest.mark.usefixtures("_in")
def test_a_missing_prepared_image_is_reported_with_the_fix() -> None:
    one = read_index()[0]._replace(path="train/fish/gone.zip/a.webp")
    with pytest.raises(TenchError, match=r"gone\.zip/a\.webp: missing: run `dvc repro`"):
        read_prepared(one)


@pytest.mark.usefixtures("_in")
def test_damaged_metrics_are_not_reported() -> None:
    check_results(METRICS)
    for file in (SCORES, METRICS / "probe.json", METRICS / "finetune/plots/metrics/val/loss.tsv"):
        with temporarily_damaged(file, "a flipped bit"):
            refusal(lambda: check_results(METRICS), file)


@pytest.mark.parametrize(
    "name", [*MODEL_FILES.values(), "neighbors.npy", "neighbors.csv", "neighbors.zip"]
)
@pytest.mark.usefixtures("_in")
def test_a_damaged_file_of_an_export_is_refused_by_predict_and_serve(name: str) -> None:
    folder = Path("models/export")
    runtime = next((one for one in RUNTIMES if MODEL_FILES[one] == name), RUNTIMES[0])
    for how in DAMAGE_KINDS:
        with temporarily_damaged(folder / name, how):
            if name == MODEL_FILES["keras"]:
                continue  # that is for Keras; neither reads it
            with (
                pytest.raises(TenchError) as caught,
                open_classifier(read_export(folder), runtime),
            ):
                pass
        assert str(caught.value).startswith(f"{folder / name}: damaged")
        assert "copy the whole folder again, or delete it and run `dvc repro export`" in str(
            caught.value
        )


@pytest.mark.usefixtures("_in")
def test_whatever_bit_of_an_exports_description_is_flipped_it_is_refused() -> None:
    folder = Path("models/export")
    file, known = folder / DESCRIPTION_FILE, read_export(folder)
    content = file.read_bytes()
    bits = random.Random(3).sample(range(8 * len(content)), 300)
    said = [found(lambda: read_export(folder), file, flip_bit(content, bit)) for bit in bits]
    overwrite_file(file, content)
    refused = [text for text in said if isinstance(text, str)]
    assert all(text.startswith(f"{file}: ") for text in refused)
    assert len(refused) > 250
    for harmless in said:  # a blank between two words, say
        assert isinstance(harmless, str) or harmless == known
    for how in DAMAGE_KINDS:
        with (
            temporarily_damaged(file, how),
            pytest.raises(TenchError, match=r"model\.json: damaged"),
        ):
            read_export(folder)


def test_every_row_of_the_table_is_a_test() -> None:
    text = (CHECKOUT / "docs/faults.md").read_text(encoding="utf-8")
    table = text.partition("### Case by case")[2].partition("### The same")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    file, tests = "", CHECKOUT / "tests"
    for one in rows:
        assert len(one) == 6, one
        for name in re.findall(r"`([^`]*?test_[^`]*)`", one[-1]):
            if name.endswith(".py"):  # the whole file
                assert list(tests.rglob(name)), name
                continue
            named, _, test = name.rpartition("::")
            file = (named if named != "…" else file) or Path(__file__).name
            (path,) = tests.rglob(file)
            assert f"def {test}(" in path.read_text(encoding="utf-8"), name
        assert "`test_" in one[-1] or one[-1] == "the same |"
    read = [dep for dep in READ if not dep.startswith("metrics/")]
    assert not [dep for dep in read if f"`{dep}`" not in table and Path(dep).name not in table]
