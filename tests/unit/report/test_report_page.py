"""The report's page, rendered from handmade results."""

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
    """Render the report's page from metrics/."""
    return " ".join(render_page(report_contents(load_params())).split())


def score_groups() -> list[str]:
    """Return the first column of the table of test scores."""
    rows = metrics_table.score_rows(read_json(paths.SCORES), read_json(paths.PROBE_SCORES))
    return [row[0] for row in rows]


def test_linear_probe_has_a_row_and_a_sentence(report_project: Path) -> None:
    probe = read_json(paths.PROBE_SCORES)
    probe["test"] |= {"accuracy": 0.123}
    write_json(probe, paths.PROBE_SCORES)
    rows = table_texts(report_contents(load_params())["scores"])
    assert rows[-1][0] == "all (linear probe)"
    assert rows[-1][2].startswith("0.123")
    assert "reaches 12.3% and trains in seconds" in page()


@pytest.mark.parametrize(
    ("epoch", "words"),
    [
        (5, "The model uses the weights of epoch 5"),
        (3, "Fine-tuning discarded: no epoch was significantly better than the head on validation"),
    ],
)
def test_outcome_of_fine_tuning_is_reported(report_project: Path, epoch: int, words: str) -> None:
    write_json({"kept_epoch": epoch}, paths.FINETUNE_SCORES)
    assert words not in page()  # without patience, the last epoch is used
    set_params(Path(), {"finetune.patience": 2})
    assert words in page()


def test_seen_and_unseen_images_are_scored_separately(report_project: Path) -> None:
    assert score_groups() == ["all", "seen", "unseen", "all (linear probe)"]
    text = page()
    for line in ("like those the backbone was trained on", "the others", "If they are those"):
        assert line in text


@pytest.mark.parametrize("groups", [(), ("unseen",), ("seen",)])
def test_seen_and_unseen_need_images_of_both_kinds(
    report_project: Path, groups: tuple[str, ...]
) -> None:
    write_json(make_scores(*groups), paths.SCORES)
    assert score_groups() == ["all", "all (linear probe)"]
    text = page()
    for word in ("the backbone was trained on", "pretraining", "estimate for new images"):
        assert word not in text


def test_interval_methods_are_named(report_project: Path) -> None:
    assert "95% intervals: Wilson score for accuracy, bootstrap for loss." in page()


def test_a_small_p_value_is_not_zero(report_project: Path) -> None:
    content = make_scores()
    content["mcnemar"] |= {"p_value": 6.1e-05}
    write_json(content, paths.SCORES)
    assert "(p = 6.1e-05)" in page()


def test_every_parameter_is_listed(report_project: Path) -> None:
    rows = table_texts(report_contents(load_params())["parameters"])
    assert ["data.classes.n01440764", "fish"] in rows
    assert ["finetune.ema", "True"] in rows
    assert ["seed", "42"] in rows


def test_leaks_count_images_and_exclude_similar_pairs(report_project: Path) -> None:
    pairs = [("exact", 1.0, 1), ("near", 0.99, 1), ("similar", 0.97, 1), ("near", 0.98, 0)]
    write_audit([*pairs, ("similar", 0.95, 0)], leaks=1)
    text = page()
    assert '<div class="figure">1</div><div>images appear in more than one split' in text
    assert "near duplicates), so the scores may be inflated" in text
    found = {one["title"]: one for one in report_contents(load_params())["audit"]["lists"]}
    assert [[entry["text"] for entry in one["entries"]] for one in found.values()][:3] == [
        ["exact, 1.000", "near, 0.990"],
        ["near, 0.980"],
        ["similar, 0.970", "similar, 0.950"],
    ]
    leaks, within, alike = list(found)[:3]
    assert leaks == "Leaks: images that appear in more than one split (1)"
    assert found[leaks]["text"].startswith("Pairs: 2.")
    assert within == "Duplicates within a split (pairs: 1)"
    assert alike == "Similar images (pairs: 2)"
    assert "They do not count as leaks and do not stop a run" in found[alike]["text"]
    counts = table_texts(report_contents(load_params())["audit"]["counts"])
    assert ["similar images, pairs across splits", "1"] in counts


def test_label_error_method_is_named(report_project: Path) -> None:
    text = page()
    assert "prune_by_noise_rate" in text
    assert "by the largest margin" in text


def test_ema_is_explained_only_if_used(report_project: Path) -> None:
    assert "exponential moving average of the weights (finetune.ema)" in page()
    text = paths.PARAMS.read_text(encoding="utf-8")
    write_text(text.replace("ema: true", "ema: false"), paths.PARAMS)
    assert "exponential moving average" not in page()


def test_probabilities_sum_to_one_with_a_sigmoid_head(report_project: Path) -> None:
    assert load_params().extract_train.activation == "sigmoid"
    assert "need not sum to one" not in page()


def test_model_summary_is_escaped_text(report_project: Path) -> None:
    assert "<pre>┃ Layer (type) ┃ &lt;b&gt; </pre>" in page()


def test_early_stopped_training_lists_its_epochs(report_project: Path) -> None:
    write_epochs("finetune", (4,))  # early stopping
    assert table_texts(report_contents(load_params())["epochs"][1]["table"])[-1][0] == "4"


def test_scope_of_byte_equality_is_stated_correctly(report_project: Path) -> None:
    publish(ended=True)
    text = " ".join(paths.REPORT_INDEX.read_text(encoding="utf-8").split())
    assert "identical on every other x86-64 processor with AVX2 and FMA that was tested" in text
    assert "Training rounds differently there, and metrics agree within ±0.005" in text
    assert "training is, wherever oneDNN's" not in text  # it is not: Intel and AMD differ there too
    assert "another processor rounds differently" not in text


@pytest.mark.parametrize("file", [paths.REPORT_PAGE, paths.REPORT_INDEX])
def test_unwritable_page_is_one_error(report_project: Path, file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()
    with pytest.raises(TenchError, match=rf"^{file}: cannot be written \(is a directory\)"):
        write_page("text", file)
    shutil.rmtree(paths.REPORT)
    write_text("", paths.REPORT)
    with pytest.raises(TenchError, match=rf"^{file}: cannot be written"):
        write_page("text", file)


def test_unwritable_folder_is_one_error(report_project: Path) -> None:
    paths.REPORT_INDEX.mkdir()
    answer = run_command(
        report_project, "python", "-m", "tench.report.page.publish", PYTHONPATH=str(CHECKOUT)
    )
    assert answer.returncode == 1
    assert error_line(answer.stdout).startswith("error: report/index.html: cannot be written")
    assert "Traceback" not in answer.stdout


def test_metrics_table_lists_epochs_and_results(
    report_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics_table.main()
    text = capsys.readouterr().out
    assert "| 1 extract-train | 0.500" in text
    assert "\n  models/classifier.keras    the Keras model" in text


def test_many_classes_are_cut_to_the_weakest_and_most_confused(report_project: Path) -> None:
    names = [f"class_{n:04d}" for n in range(1000)]
    scores_of = [(name, 0.5, 0.5, (n * 7 % 1000) / 1000, 9) for n, name in enumerate(names)]
    write_csv(("class_name", "precision", "recall", "f1", "images"), scores_of, paths.PER_CLASS)
    columns = ("path", "label", "prediction", "probability", "label_probability", "rank")
    wrong = [(n, (n + 1) % 1000) for n in range(1000)] + [(3, 5)] * 4
    predictions = [("test/dog.webp", names[a], names[b], 0.9, 0.05, 2) for a, b in wrong]
    write_csv(columns, predictions, paths.PREDICTIONS)
    contents = report_contents(load_params())
    rows = table_texts(contents["per_class"])
    assert len(rows) == 50
    assert [float(row[3]) for row in rows] == sorted(float(row[3]) for row in rows)
    assert rows[-1][3] == "0.049"
    assert "The other 950 are in metrics/per_class.csv" in contents["per_class"]["caption"]
    pairs = table_texts(contents["confusion"]["pairs"])
    assert pairs[0] == ["class_0003", "class_0005", "4"]
    assert len(pairs) == 30
    assert "The most frequent of 1,001;" in contents["confusion"]["pairs"]["caption"]
    text = page()
    assert "Most frequent confusions" in text
    assert "Confusion matrix" not in text
    assert len(text) < 500_000
