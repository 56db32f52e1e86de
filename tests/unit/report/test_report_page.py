"""What the report's page says, of results made by hand."""

import shutil
from pathlib import Path

import pytest
from pipeline_clones import CHECKOUT, error_line, run_command, set_params
from report_project import make_scores, table_texts, write_audit, write_epochs

from tench.core import paths
from tench.core.errors import TenchError
from tench.core.files import read_json, write_csv, write_json, write_text
from tench.core.params import load_params
from tench.report import metrics_table
from tench.report.page.contents import report_contents
from tench.report.page.publish import publish, render_page, write_page


def page() -> str:
    """The report's page of what lies in metrics/."""
    return " ".join(render_page(report_contents(load_params())).split())


def score_groups() -> list[str]:
    """The first column of the summary's scores."""
    rows = metrics_table.score_rows(read_json(paths.SCORES), read_json(paths.PROBE_SCORES))
    return [row[0] for row in rows]


def test_the_logistic_regression_has_a_row_and_a_sentence(report_project: Path) -> None:
    probe = read_json(paths.PROBE_SCORES)
    probe["test"] |= {"accuracy": 0.123}
    write_json(probe, paths.PROBE_SCORES)
    rows = table_texts(report_contents(load_params())["scores"])
    assert rows[-1][0] == "all, by a logistic regression"
    assert rows[-1][2].startswith("0.123")
    assert "takes seconds: 12.3 %" in page()


@pytest.mark.parametrize(
    ("epoch", "words"),
    [(5, "Kept are the weights of epoch 5"), (3, "the head alone, which therefore is the model")],
)
def test_what_validation_decided_is_told(report_project: Path, epoch: int, words: str) -> None:
    write_json({"kept_epoch": epoch}, paths.FINETUNE_SCORES)
    assert words not in page()  # without patience, the last is kept
    set_params(Path(), {"finetune.patience": 2})
    assert words in page()


def test_seen_and_unseen_are_told_apart_where_there_are_both(report_project: Path) -> None:
    assert score_groups() == ["all", "seen", "unseen", "all, logistic regression"]
    text = page()
    for line in ("like those the backbone was trained on", "the others", "If they are those"):
        assert line in text


@pytest.mark.parametrize("groups", [(), ("unseen",), ("seen",)])
def test_seen_and_unseen_are_left_out_where_all_are_of_one_kind(
    report_project: Path, groups: tuple[str, ...]
) -> None:
    write_json(make_scores(*groups), paths.SCORES)
    assert score_groups() == ["all", "all, logistic regression"]
    text = page()
    for word in ("the backbone was trained on", "learnt from", "never met"):
        assert word not in text


def test_intervals_are_called_what_they_are(report_project: Path) -> None:
    assert "95 % intervals: Wilson&#39;s for accuracy, bootstrap for the loss." in page()


def test_a_small_p_value_is_not_zero(report_project: Path) -> None:
    content = make_scores()
    content["mcnemar"] |= {"p_value": 6.1e-05}
    write_json(content, paths.SCORES)
    assert "(p = 6.1e-05)" in page()


def test_every_parameter_is_shown(report_project: Path) -> None:
    rows = table_texts(report_contents(load_params())["parameters"])
    assert ["data.classes.n01440764", "fish"] in rows
    assert ["finetune.ema", "True"] in rows
    assert ["seed", "42"] in rows


def test_leaks_are_images_and_suspicions_are_apart(report_project: Path) -> None:
    pairs = [("exact", 1.0, 1), ("near", 0.99, 1), ("similar", 0.97, 1), ("near", 0.98, 0)]
    write_audit([*pairs, ("similar", 0.95, 0)], leaks=1)
    text = page()
    assert '<div class="figure">1</div><div>images are in an earlier split too' in text
    assert "near duplicates); scores on them say nothing" in text
    found = {one["title"]: one for one in report_contents(load_params())["audit"]["lists"]}
    assert [[entry["text"] for entry in one["entries"]] for one in found.values()][:3] == [
        ["exact, 1.000", "near, 0.990"],
        ["near, 0.980"],
        ["similar, 0.970", "similar, 0.950"],
    ]
    leaks, within, alike = list(found)[:3]
    assert leaks == "Leaks: images that are in an earlier split too (1)"
    assert found[leaks]["text"].startswith("Pairs: 2.")
    assert within == "Duplicates within a split (pairs: 1)"
    assert alike == "Alike, but not the same (pairs: 2)"
    assert "They do not count as leaks and no run fails for them" in found[alike]["text"]
    counts = table_texts(report_contents(load_params())["audit"]["counts"])
    assert ["images that only look alike, pairs across splits", "1"] in counts


def test_the_label_finder_is_called_what_it_is(report_project: Path) -> None:
    text = page()
    assert "prune_by_noise_rate" in text
    assert "by the largest margin" in text


def test_averaged_weights_are_called_what_they_are(report_project: Path) -> None:
    assert (
        "an exponential mean of the weights over the epoch&#39;s steps; about a seventh" in page()
    )
    text = paths.PARAMS.read_text(encoding="utf-8")
    write_text(text.replace("ema: true", "ema: false"), paths.PARAMS)
    assert "exponential mean" not in page()


def test_outputs_are_a_distribution_however_it_was_trained(report_project: Path) -> None:
    assert load_params().extract_train.activation == "sigmoid"
    assert "need not sum to one" not in page()


def test_the_models_summary_is_text(report_project: Path) -> None:
    assert "<pre>┃ Layer (type) ┃ &lt;b&gt; </pre>" in page()


def test_epochs_fewer_than_asked_for_are_shown(report_project: Path) -> None:
    write_epochs("finetune", (4,))  # training may stop by itself
    assert table_texts(report_contents(load_params())["epochs"][1]["table"])[-1][0] == "4"


def test_where_bytes_agree_is_told_as_it_is(report_project: Path) -> None:
    publish(ended=True)
    text = " ".join(paths.REPORT_INDEX.read_text(encoding="utf-8").split())
    assert "features also on every other x86-64 processor with AVX2 and FMA that was tried" in text
    assert "There training rounds otherwise, and metrics agree within ±0.005" in text
    assert "training is, wherever oneDNN's" not in text  # it is not: Intel and AMD differ there too
    assert "another processor rounds differently" not in text


@pytest.mark.parametrize("file", [paths.REPORT_PAGE, paths.REPORT_INDEX])
def test_a_page_that_cannot_be_written_is_one_error(report_project: Path, file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()
    with pytest.raises(TenchError, match=rf"^{file}: cannot be written \(is a directory\)"):
        write_page("text", file)
    shutil.rmtree(paths.REPORT)
    write_text("", paths.REPORT)
    with pytest.raises(TenchError, match=rf"^{file}: cannot be written"):
        write_page("text", file)


def test_a_folder_that_cannot_be_written_to_is_one_error(report_project: Path) -> None:
    paths.REPORT_INDEX.mkdir()
    answer = run_command(
        report_project, "python", "-m", "tench.report.page.publish", PYTHONPATH=str(CHECKOUT)
    )
    assert answer.returncode == 1
    assert error_line(answer.stdout).startswith("error: report/index.html: cannot be written")
    assert "Traceback" not in answer.stdout


def test_summary_names_what_there_is(
    report_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics_table.main()
    text = capsys.readouterr().out
    assert "| 1 extract-train | 0.500" in text
    assert "\n  models/classifier.keras    the classifier" in text


def test_of_many_classes_the_weakest_and_the_commonest_mistakes_are_shown(
    report_project: Path,
) -> None:
    names = [f"class_{n:04d}" for n in range(1000)]
    scores_of = [(name, 0.5, 0.5, (n * 7 % 1000) / 1000, 9) for n, name in enumerate(names)]
    write_csv(("class_name", "precision", "recall", "f1", "images"), scores_of, paths.PER_CLASS)
    columns = ("path", "label", "prediction", "probability", "label_probability", "rank")
    wrong = [(n, (n + 1) % 1000) for n in range(1000)] + [(3, 5)] * 4
    said = [("test/dog.webp", names[a], names[b], 0.9, 0.05, 2) for a, b in wrong]
    write_csv(columns, said, paths.PREDICTIONS)
    shown = report_contents(load_params())
    rows = table_texts(shown["per_class"])
    assert len(rows) == 50
    assert [float(row[3]) for row in rows] == sorted(float(row[3]) for row in rows)
    assert rows[-1][3] == "0.049"
    assert "and 950 more, in metrics/per_class.csv" in shown["per_class"]["caption"]
    pairs = table_texts(shown["confusion"]["pairs"])
    assert pairs[0] == ["class_0003", "class_0005", "4"]
    assert len(pairs) == 30
    assert "The commonest of 1,001;" in shown["confusion"]["pairs"]["caption"]
    text = page()
    assert "What is taken for what" in text
    assert "Confusion matrix" not in text
    assert len(text) < 500_000
