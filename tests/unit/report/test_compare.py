"""Comparison of experiments and commits in real repositories with handmade results."""

import csv
import sys
from pathlib import Path

import pytest
from experiment_repos import (
    CODE_DIGESTS,
    make_experiment,
    make_repository,
    save_experiment,
    write_lock_file,
    write_run_results,
)
from pipeline_clones import CHECKOUT, commit_all, run_command, run_git

from tench.core.files import read_json, write_json, write_text
from tench.core.paths import FINETUNE_SCORES
from tench.report.compare.command import compare_revisions
from tench.report.compare.run_results import image_key
from tench.report.compare.text_tables import ComparisonResult, comparison_rows, group_rows, to_text

RATE = "finetune.learning_rate"
BETTER = "1" * 12


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit that holds results, the current folder."""
    make_repository(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def rows(result: ComparisonResult) -> list[dict[str, str]]:
    """Return the table of scores as a dict per row."""
    header, *cells = group_rows(result)
    names = [name.replace("\n", " ") for name in header]
    return [dict(zip(names, row, strict=True)) for row in cells]


def test_the_experiments_of_head_beside_it_best_on_validation_first(repository: Path) -> None:
    make_experiment(repository, "slow", right=BETTER, val=0.8, **{RATE: 1e-5})
    make_experiment(repository, "quick", val=0.95, **{RATE: 1e-3})
    result = compare_revisions([], False, None)
    found = rows(result)
    assert [row["name"] for row in found] == ["quick", "HEAD", "slow"]
    assert [row["finetune. learning_rate"] for row in found] == ["0.001", "0.0001", "1e-05"]
    assert [row["test accuracy"] for row in found] == ["0.8333", "0.8333", "1.0000"]
    assert list(found[0])[1] == "finetune. learning_rate"  # which alone differs
    assert list(found[0])[2] == "seeds"
    assert result.reference is not None
    assert result.reference.name == "HEAD"
    quick, slow = result.comparisons
    assert quick.difference is not None
    assert quick.difference.p_value == 1
    assert slow.difference is not None
    assert (slow.difference.only_second, slow.difference.only_first) == (2, 0)
    assert slow.difference.p_value == pytest.approx(0.5)
    assert slow.corrected_p_value == 1
    assert slow.verdict == "not significant"


def test_runs_that_differ_in_the_seed_alone_are_one_group(repository: Path) -> None:
    for seed, val in ((1, 0.92), (2, 0.94)):
        make_experiment(repository, f"head-{seed}", val=val, seed=seed)
    for seed in (42, 1, 2):
        make_experiment(
            repository, f"new-{seed}", right=BETTER, val=0.97, seed=seed, **{RATE: 1e-3}
        )
    found = rows(compare_revisions([], False, None))
    assert [(row["name"], row["seeds"]) for row in found] == [("new-1 +2", "3"), ("HEAD +2", "3")]
    assert found[1]["validation accuracy"] == "0.9200±0.0200"
    assert "±" not in found[1]["test loss"]
    (comparison,) = compare_revisions([], False, None).comparisons
    assert sorted(map(str, comparison.seeds)) == ["1", "2", "42"]
    assert comparison.difference is not None
    assert comparison.difference.only_second == 6
    assert comparison.difference.images == 12


def test_seeds_are_paired_each_on_its_own_test_set(repository: Path) -> None:
    make_experiment(repository, "head-1", seed=1, first=500)
    for seed, first in ((42, 0), (1, 500), (7, 900)):
        make_experiment(
            repository, f"new-{seed}", right=BETTER, first=first, seed=seed, **{RATE: 1e-3}
        )
    (comparison,) = compare_revisions([], False, None).comparisons
    assert comparison.difference is not None
    assert comparison.difference.images == 24
    assert comparison.note == "the reference has no run with seed 7"


def test_without_a_seed_in_common_nothing_is_paired(repository: Path) -> None:
    make_experiment(repository, "new", seed=1, **{RATE: 1e-3})
    (comparison,) = compare_revisions([], False, None).comparisons
    assert comparison.verdict == "not compared"
    assert "no seed in common (1; reference 42)" in comparison.note
    assert rows(compare_revisions([], False, None))[1]["test accuracy"] == "0.8333"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"first": 6}, "only on the 6 test images in common, of 12 and 12"),
        ({"first": 100}, "no test images in common"),
        ({"data.raw": "elsewhere"}, "different images (data.raw)"),
    ],
)
def test_only_the_same_test_images_are_paired(
    repository: Path, changes: dict[str, object], words: str
) -> None:
    make_experiment(repository, "new", **{RATE: 1e-3, **changes})  # type: ignore[arg-type]
    assert words in compare_revisions([], False, None).comparisons[0].note


def test_equal_runs_count_once(repository: Path) -> None:
    make_experiment(repository, "again", costs={"finetune": 5})
    make_experiment(repository, "elsewhere", right=BETTER)
    run_git(repository, "tag", "release")
    result = compare_revisions([], False, None)
    words = "has the same parameters and seed as HEAD"
    assert f"again {words}: counted once." in result.notes
    assert f"elsewhere {words} but different scores: counted once." in result.notes
    assert [row["name"] for row in rows(result)] == ["HEAD"]
    assert rows(result)[0]["seconds (stages)"] == "5.0 (1)"
    assert result.comparisons == []
    notes = compare_revisions(["main", "HEAD", "release", "main"], False, None).notes
    assert notes == [
        f"{name} is the same commit as main: counted once." for name in ("HEAD", "release")
    ]


def test_costs_are_those_of_the_stages_that_a_run_ran(repository: Path) -> None:
    write_run_results(repository, costs={"finetune": 60, "evaluate": 9})
    costs = read_json(repository / "metrics/costs.json")
    costs["prepare"] = {"seconds": 100.0, "peak_mb": 5.0, "outs": [["data/prepared", "other"]]}
    write_json(costs, repository / "metrics/costs.json")
    commit_all(repository)
    make_experiment(repository, "new", costs={"finetune": 52.1, "evaluate": 4}, **{RATE: 1e-3})
    seconds = {
        row["name"]: row["seconds (stages)"] for row in rows(compare_revisions([], False, None))
    }
    # evaluate writes nothing that its entry names in dvc.lock; prepare's is of another run
    assert seconds == {"HEAD": "60.0 (1)", "new": "52.1 (1)"}


def test_the_kept_epoch_of_an_early_stopped_run_counts(repository: Path) -> None:
    write_run_results(repository, val=0.5, **{RATE: 1e-3})
    write_json({**read_json(FINETUNE_SCORES), "kept_epoch": 5}, FINETUNE_SCORES)
    table = Path("metrics/finetune/plots/metrics/val/accuracy.tsv")
    write_text("step\taccuracy\n4\t0.7\n5\t0.75\n6\t0.5\n", table)
    save_experiment(repository, "patient")
    accuracies = {
        row["name"]: row["validation accuracy"] for row in rows(compare_revisions([], False, None))
    }
    assert accuracies["patient"] == "0.7500"


def test_other_code_makes_another_group(repository: Path) -> None:
    write_lock_file(
        repository, "model", {**CODE_DIGESTS, "stages/finetune.py": "new", "tench/core": "c07e"}
    )
    save_experiment(repository, "rewritten")
    result = compare_revisions([], False, None)
    made_with = {row["name"]: row["made with"] for row in rows(result)}
    assert made_with == {"HEAD": "A", "rewritten": "B"}
    assert "Made with: B differs from A in stages/finetune.py, tench/core." in result.notes


def test_many_parameters_are_listed_below_the_table(repository: Path) -> None:
    names = ("batch_size", "epochs", "min_steps_per_epoch", "patience", "fine_tune_at")
    changes = {f"finetune.{name}": 7 for name in names}
    make_experiment(repository, "other", **{RATE: 1e-3, **changes})
    result = compare_revisions([], False, None)
    assert list(rows(result)[0])[1] == "seeds"
    assert "other differs from HEAD: finetune.fine_tune_at = 7, finetune.learning_rate" in to_text(
        result
    )


def test_the_experiments_of_all_commits(repository: Path) -> None:
    first = run_git(repository, "rev-parse", "HEAD").strip()
    make_experiment(repository, "same-name", **{RATE: 1e-3})
    write_run_results(repository, **{RATE: 2e-4})
    commit_all(repository)
    make_experiment(repository, "same-name", **{RATE: 1e-5})
    names = {row["name"] for row in rows(compare_revisions([], True, None))}
    assert {first[:7], "HEAD"} < names
    assert len([name for name in names if name.startswith("same-name (")]) == 2
    assert {row["name"] for row in rows(compare_revisions([], False, None))} == {
        "HEAD",
        "same-name",
    }
    # by its name alone, that of HEAD is meant; the reference is the commit it stems from
    result = compare_revisions(["same-name"], False, None)
    assert [row["name"] for row in rows(result)] == ["HEAD", "same-name"]
    assert {row["finetune. learning_rate"] for row in rows(result)} == {"1e-05", "0.0002"}


def test_the_reference_is_the_base_commit_of_an_experiment_or_the_requested_one(
    repository: Path,
) -> None:
    make_experiment(repository, "new", **{RATE: 1e-3})
    make_experiment(repository, "-dash", **{RATE: 1e-5})
    run_git(repository, "branch", "old")
    write_run_results(repository, **{RATE: 2e-4})
    commit_all(repository)
    old = run_git(repository, "rev-parse", "old").strip()[:7]
    for names, against, reference in (
        (["new"], None, old),
        (["new"], "HEAD", "HEAD"),
        (["old", "HEAD"], None, "old"),
        (["new", "-dash"], "-dash", "-dash"),
    ):
        result = compare_revisions(names, False, against)
        assert result.reference is not None
        assert result.reference.name == reference
        assert f"only {reference}\ncorrect" in comparison_rows(result)[0]


def test_a_fresh_clone_compares_from_git_alone(repository: Path, tmp_path: Path) -> None:
    make_experiment(repository, "new", right=BETTER, **{RATE: 1e-3})
    fresh = tmp_path / "a fresh clöne"
    run_git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), fresh.name)
    run_git(fresh, "fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    run_git(fresh, "checkout", "--quiet", "--detach")
    command = (sys.executable, "-X", "importtime", "-m", "tench.compare", "--format", "csv")
    answer = run_command(fresh, *command, PYTHONPATH=str(CHECKOUT))
    assert answer.returncode == 0, answer.stdout
    lines = answer.stdout.splitlines()
    imported = {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}
    assert "numpy" in imported
    assert not imported & {"tensorflow", "keras", "dvc", "matplotlib", "sklearn"}
    table = [line for line in lines if not line.startswith("import time:")]
    found = {row["name"]: row for row in csv.DictReader(table)}
    assert found["new"]["test_accuracy"] == "1.0"
    assert found["new"]["p_value"] == "0.5"


def test_a_project_may_lie_in_a_folder_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(tmp_path / "inner")
    (tmp_path / "inner/.git").rename(tmp_path / ".git")
    run_git(tmp_path, "add", "--all")
    run_git(tmp_path, "commit", "--quiet", "--message=moved")
    monkeypatch.chdir(tmp_path / "inner")
    assert [row["name"] for row in rows(compare_revisions(["HEAD"], False, None))] == ["HEAD"]


@pytest.mark.parametrize(
    "path",
    ["val/dog/000.zip/a/b.jpg.webp", "val/dog/012.zip/a/b.jpg.webp", "test/dog/a/b.jpg.webp"],
)
def test_image_key_ignores_split_and_pack(path: str) -> None:
    assert image_key(path) == "dog/a/b.jpg.webp"
