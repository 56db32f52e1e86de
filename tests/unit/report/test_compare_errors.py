"""Errors of the comparison: unknown names, and revisions without valid results."""

import io
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from experiment_repos import (
    make_experiment,
    make_experiment_with_file,
    make_repository,
    save_experiment,
    write_lock_file,
    write_run_results,
)
from pipeline_clones import commit_all, run_git, set_params
from ruamel.yaml import YAML

from tench.core.files import write_text
from tench.core.names import BIDI_CONTROLS, is_control_character
from tench.core.paths import COSTS, FINETUNE_SCORES, PARAMS, PREDICTIONS, SCORES
from tench.report.compare.__main__ import REFUSED, main
from tench.report.compare.command import compare_revisions
from tench.report.compare.run_results import LOCK_FILE

RATE = "finetune.learning_rate"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit that holds results, the current folder."""
    make_repository(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def refusal(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Return the error message of a command that must fail."""
    monkeypatch.setattr(sys, "argv", ["compare", *arguments])
    stderr = io.StringIO()
    with redirect_stderr(stderr), pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == REFUSED
    assert stderr.getvalue().startswith("error: ")
    return stderr.getvalue().rstrip("\n")


def notes_on_skipped(repository: Path, file: Path, text: str | None) -> list[str]:
    """Return the notes on an experiment whose `file` has this content, or is missing (None)."""
    make_experiment_with_file(repository, "odd", file, text)
    result = compare_revisions([], False, None)
    assert result.groups[0].name == "HEAD"
    return [note for note in result.notes if note.startswith("odd")]


def test_error_without_experiments_says_how_to_run_some(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refusal(monkeypatch)
    assert "no experiments of HEAD (" in message
    assert "`dvc exp run`" in message
    assert "git fetch origin 'refs/exps/*:refs/exps/*'" in message
    assert "--all-commits" not in message
    make_experiment(repository, "new", **{RATE: 1e-3})
    run_git(repository, "commit", "--quiet", "--allow-empty", "--message=next")
    assert "--all-commits" in refusal(monkeypatch)


@pytest.mark.parametrize("name", ["grid-3", "", "two\nlines", "HEAD:params.yaml", "main..main"])
def test_error_of_an_unknown_name_suggests_similar_ones(
    repository: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert "this clone has no experiments" in refusal(monkeypatch, name)
    make_experiment(repository, "grid-1", **{RATE: 1e-3})
    make_experiment(repository, "grid-2", **{RATE: 1e-5})
    message = refusal(monkeypatch, "grid-1", name)
    assert "no such experiment, commit, branch or tag" in message
    assert "fetch" not in message
    if name == "grid-3":
        assert message.endswith("; did you mean grid-2 or grid-1?")


def test_a_name_that_starts_with_a_dash_follows_two_dashes(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_experiment(repository, "--help", **{RATE: 1e-3})
    monkeypatch.setattr(sys, "argv", ["compare", "--", "--help"])
    main()
    shown = capsys.readouterr().out
    assert "--help" in shown
    assert "usage" not in shown


def test_a_name_of_several_experiments_is_ambiguous(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = [make_experiment(repository, "new", **{RATE: 1e-3})]
    run_git(repository, "commit", "--quiet", "--allow-empty", "--message=next")
    commits.append(make_experiment(repository, "new", **{RATE: 1e-5}))
    run_git(repository, "commit", "--quiet", "--allow-empty", "--message=third")
    message = refusal(monkeypatch, "new")
    assert "several experiments have this name" in message
    assert all(one[:7] in message for one in commits)
    result = compare_revisions([commits[0]], False, None)
    assert len(result.groups) == 2
    assert result.reference is not None  # the commit it stems from, as of a name


def test_outside_of_git_and_before_the_first_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "not in a git repository" in refusal(monkeypatch, "HEAD")
    run_git(tmp_path, "init", "--quiet")
    assert "the repository has no commits yet" in refusal(monkeypatch, "HEAD")
    run_git(tmp_path, "commit", "--quiet", "--allow-empty", "--message=empty")
    message = refusal(monkeypatch, "HEAD")
    assert "HEAD is skipped: params.yaml: not found; run from the project's root" in message


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (
            SCORES,
            None,
            "is skipped: metrics/evaluate.json: not found; the run failed",
        ),
        (SCORES, "{", "is skipped: metrics/evaluate.json: Invalid JSON"),
        (SCORES, "{}", "is skipped: metrics/evaluate.json: finetuned: Field required"),
        (SCORES, '{"finetuned": {"accuracy": NaN, "loss": 1}}', "finetuned.accuracy: Input should"),
        (SCORES, '{"finetuned": {"accuracy": 1.5, "loss": 1}}', "less than or equal to 1"),
        (PARAMS, None, "is skipped: params.yaml: not found"),
        (PARAMS, "a: [", "is skipped: params.yaml: not readable as YAML"),
        (PARAMS, "- a", "is skipped: params.yaml: must be a mapping"),
        (LOCK_FILE, "\x00", "is skipped: dvc.lock: not readable as YAML"),
        (FINETUNE_SCORES, None, ": validation accuracy unknown: metrics/finetune/metrics.json"),
        (FINETUNE_SCORES, "[]", ": validation accuracy unknown: metrics/finetune/metrics.json"),
        (
            FINETUNE_SCORES,
            '{"val": {"accuracy": 1}, "kept_epoch": 9}',
            "is not in the tables of epochs",
        ),
        (PREDICTIONS, None, ": predictions unknown: metrics/predictions.csv: not found"),
        (PREDICTIONS, "", ": predictions unknown: metrics/predictions.csv: not readable as CSV"),
        (
            PREDICTIONS,
            "path,label\n",
            ": predictions unknown: metrics/predictions.csv: not readable",
        ),
        (PREDICTIONS, "path,label,prediction\na,b\n", "not readable as CSV"),
        (PREDICTIONS, "path,label,prediction\n", "metrics/predictions.csv: empty"),
        (PREDICTIONS, "path,label,prediction\na,b,c\na,b,c\n", "an image is listed twice"),
        (COSTS, '{"finetune": {"seconds": "x"}}', ": cost unknown: metrics/costs.json: finetune."),
    ],
)
def test_invalid_results_are_noted_and_the_others_compared(
    repository: Path, file: Path, content: str | None, words: str
) -> None:
    notes = notes_on_skipped(repository, file, content)
    assert words in notes[0]
    assert notes[1:] in ([], ["odd has the same parameters and seed as HEAD: counted once."])


def test_other_classes_are_not_paired(repository: Path) -> None:
    rows = "".join(f"test/dog/{n:03d}.webp,cat,cat\n" for n in range(12))
    write_text(f"path,label,prediction\n{rows}", PREDICTIONS)
    set_params(repository, {RATE: 1e-3})
    write_lock_file(repository, "model")
    save_experiment(repository, "new")
    (comparison,) = compare_revisions([], False, None).comparisons
    assert "different labels of test images (12)" in comparison.note


def test_results_of_other_parameters_or_another_model_are_notes_on_skipped(
    repository: Path,
) -> None:
    set_params(repository, {RATE: 1e-3})
    save_experiment(repository, "changed")
    write_run_results(repository)
    yaml = YAML()
    content = yaml.load(repository / LOCK_FILE)
    content["stages"]["evaluate"]["deps"][0]["md5"] = "older"
    yaml.dump(content, repository / LOCK_FILE)
    save_experiment(repository, "half")
    notes = compare_revisions([], False, None).notes
    assert any(
        "changed is skipped: finetune.learning_rate = 0.001 in params.yaml, but the results were "
        "made with 0.0001; run `dvc repro`" in note
        for note in notes
    )
    assert any("half is skipped: evaluate has not been run since" in note for note in notes)


def test_a_reference_without_results(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_experiment(repository, "new", **{RATE: 1e-3})
    (repository / SCORES).unlink()
    commit_all(repository)
    make_experiment(repository, "newer", **{RATE: 1e-5})
    result = compare_revisions([], False, None)
    assert result.reference is None
    assert [group.name for group in result.groups] == ["newer"]
    assert any(note.startswith("HEAD is skipped") for note in result.notes)
    assert "--against HEAD: HEAD is skipped" in refusal(monkeypatch, "newer", "--against", "HEAD")


def test_all_commits_goes_without_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", "-A", "HEAD"])
    with pytest.raises(SystemExit):
        main()
    assert "--all-commits cannot be combined with REV" in capsys.readouterr().err


ESCAPE = '"\\e[31m\\n\\x9b2J\\u202e\\ud800"'  # a color, a line, a cleared screen, turned text
ESCAPES = "\x1b[31m\x9b2J\u202e"
LOCK = YAML(typ="safe", pure=True)


@pytest.mark.parametrize("form", ["table", "markdown", "csv"])
@pytest.mark.parametrize(
    ("file", "text"),
    [
        (PARAMS, f"{ESCAPE}: 1\nseed: 1\n"),
        (PARAMS, f"seed: {ESCAPE}\n"),
        (PARAMS, f"data: {{{ESCAPE}: {ESCAPE}}}\n"),
        (PARAMS, f"data: {{a: [{ESCAPE}, {{[1]: {ESCAPE}}}]}}\n"),
        (PARAMS, f"{ESCAPE}: ["),
        (PARAMS, f"a: !{ESCAPES} 1"),
        (LOCK_FILE, f"stages: {{{ESCAPE}: 1}}"),
        (LOCK_FILE, f"stages: {{evaluate: {{deps: [{{path: {ESCAPE}, md5: {ESCAPE}}}]}}}}"),
        (LOCK_FILE, f"stages: {{evaluate: {{params: {{params.yaml: {{{ESCAPE}: {ESCAPE}}}}}}}}}"),
        (LOCK_FILE, f"stages: {{evaluate: {{params: {{packages.yaml: {{{ESCAPE}: {ESCAPE}}}}}}}}}"),
        (COSTS, '{"\\u001b[31m": {"seconds": "x"}}'),
        (SCORES, '{"finetuned": "\\u001b[31m"}'),
        (PREDICTIONS, f"path,label,prediction\n{ESCAPES},{ESCAPES},a\n"),
    ],
)
def test_no_escape_of_a_revision_reaches_the_terminal(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    file: Path,
    text: str,
    form: str,
) -> None:
    if file == PARAMS:
        (repository / LOCK_FILE).unlink()
        commit_all(repository)
    make_experiment_with_file(repository, "odd\u202e\x9b", file, text)
    monkeypatch.setattr(sys, "argv", ["compare", "--format", form, "--page", "page.html"])
    main()
    printed = "".join(capfd.readouterr())
    # Markdown escapes the backslash
    assert "odd\\u202e\\x9b" in printed.replace("\\\\", "\\")
    assert not {one for one in printed if is_control_character(one) or one in BIDI_CONTROLS} - {
        "\n"
    }


@pytest.mark.parametrize("file", [PARAMS, LOCK_FILE])
@pytest.mark.parametrize(
    "text", ["[" * 100_000, "\x00", "a: &a [*a]", "a: !!bool x", "#" * 20_000_000]
)
def test_revisions_with_hostile_files_are_skipped(repository: Path, file: Path, text: str) -> None:
    (note, *_) = notes_on_skipped(repository, file, text)
    assert f"is skipped: {file}: not readable as YAML: " in note


def test_git_that_refuses_is_reported_in_its_own_words(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests
    refused = refusal(monkeypatch, "HEAD")
    assert "dubious ownership" in refused
    assert "safe.directory" in refused
    assert "not in a git repository" not in refused
