"""What the report says, gathered from metrics/: one dictionary for its template."""

from collections.abc import Sequence
from typing import Any

from tench.core.files import read_csv, read_json
from tench.core.names import MODEL_NAMES, SPLITS
from tench.core.origins import is_imagenette
from tench.core.params import Params
from tench.core.paths import (
    AUDIT_METRICS,
    CALIBRATION,
    EXAMPLES,
    EXPORT_SCORES,
    FINETUNE_SCORES,
    MODEL_SUMMARY,
    PER_CLASS,
    PREDICTIONS,
    PROBE_SCORES,
    SCORES,
    SPLIT_METRICS,
)
from tench.report.lock.parameters import flatten
from tench.report.page import charts
from tench.report.page.export_tables import exported_model_table, thresholds_text
from tench.report.page.galleries import audit_count_table, audit_sections, data_uri, error_gallery
from tench.report.page.history import HISTORY_COLUMNS, HISTORY_NAMES, read_history, score_groups
from tench.report.page.paper import PAPER_TITLES, TABLES, TITLES, is_recipe
from tench.report.page.tables import Table, page_table, percent_text

MAX_MATRIX_CLASSES = 20  # classes up to which the confusion matrix is shown whole
MAX_CONFUSIONS = 30  # pairs of classes that are shown of more
MAX_CLASSES_LISTED, WEAKEST_CLASSES = (
    100,
    50,
)  # classes up to which every one has its row; rows of more

EMA_NOTE = (
    "Training figures are means over an epoch's steps. Validated, and kept, is an exponential mean "
    "of the weights over the epoch's steps; about a seventh of it (e^-2) is the weights the epoch "
    "began with (finetune.ema)."
)
INTERVALS_NOTE = "95 % intervals: Wilson's for accuracy, bootstrap for the loss."
GROUP_TITLES = {"all": "all", "seen": "seen by the backbone", "unseen": "not seen by the backbone"}
GUESSED = {  # where names alone say so
    "all": "all",
    "seen": "named like those the backbone was trained on",
    "unseen": "the others",
}


def epoch_rows(stage: str, paper: bool) -> list[list[str]]:
    """One row an epoch; with `paper`, its figures and the difference below ours."""
    rows = []
    for epoch, ours in read_history(stage):
        rows.append([f"{epoch}{' (ours)' if paper else ''}", *(f"{v:.3f}" for v in ours)])
        if paper:
            gaps = [f"{v - theirs:+.3f}" for v, theirs in zip(ours, TABLES[epoch], strict=True)]
            rows.append([f"{epoch} (paper)", *(f"{v:.2f}" for v in TABLES[epoch])])
            rows.append([f"{epoch} (difference)", *gaps])
    return rows


def epoch_table(stage: str, title: str, paper: bool, averaged: bool) -> dict[str, Any]:
    """The metrics of a training stage under a title."""
    caption = EMA_NOTE if averaged else ""
    rows = epoch_rows(stage, paper)
    return {"title": title, "table": page_table(["epoch", *HISTORY_NAMES], rows, caption=caption)}


def metric_chart(metric: str, stages: Sequence[str]) -> Any:
    """The chart of a metric over one or two training stages."""
    parts = [read_history(stage) for stage in stages]
    epochs = [epoch for part in parts for epoch in part]
    train, val = (
        [values[HISTORY_COLUMNS.index((split, metric))] for _, values in epochs]
        for split in ("train", "val")
    )
    before = len(parts[0]) if len(parts) > 1 else 0
    return charts.learning_curve_chart(metric, [epoch for epoch, _ in epochs], train, val, before)


def format_with_interval(scores: dict[str, Any], name: str) -> str:
    """A score and the ends of its interval."""
    return "{:.3f} ({:.3f} to {:.3f})".format(scores[name], *scores[f"{name}_interval"])


def format_interval(interval: Sequence[float]) -> str:
    """An interval of shares in words."""
    return " to ".join(percent_text(end) for end in interval)


def score_table(scores: dict[str, Any], probe: dict[str, Any], verified: bool) -> Table:
    """Accuracy and loss of both models on all test images, and on those seen and unseen, which is
    a guess unless `verified`; and of a logistic regression on the frozen backbone's features."""
    titles = GROUP_TITLES if verified else GUESSED
    rows = [
        (
            titles[name],
            both[0]["images"],
            *(format_with_interval(one, metric) for metric in ("accuracy", "loss") for one in both),
        )
        for name, both in score_groups(scores).items()
    ]
    linear = (format_with_interval(probe["test"], metric) for metric in ("accuracy", "loss"))
    cells = (cell for one in linear for cell in (one, ""))
    rows.append(("all, by a logistic regression", probe["test"]["images"], *cells))
    header = ("test images", "number", "accuracy, frozen", "accuracy, fine-tuned")
    return page_table((*header, "loss, frozen", "loss, fine-tuned"), rows, caption=INTERVALS_NOTE)


def fine_tuning_verdict(mcnemar: dict[str, Any], scores: dict[str, Any]) -> str:
    """What fine-tuning did to the accuracy, in words, as far as the test can tell."""
    if mcnemar["p_value"] >= 0.05:
        return "no difference that this test set can show"
    better = scores["finetuned"]["accuracy"] > scores["frozen"]["accuracy"]
    return "fine-tuning made it better" if better else "fine-tuning made it worse"


def fine_tuning_outcome(params: Params) -> str:
    """What became of fine-tuning where validation decides."""
    if not params.finetune.patience:
        return ""
    epoch = read_json(FINETUNE_SCORES)["kept_epoch"]
    if epoch > params.extract_train.last_epoch:
        return f" Kept are the weights of epoch {epoch}, the best on validation."
    return (
        " No epoch of fine-tuning was clearly better on validation than the head alone, which "
        "therefore is the model."
    )


def seen_sentence(tuned: dict[str, Any], verified: bool) -> str:
    """How many test images the backbone was trained on, a guess unless `verified`, and the accuracy
    on the others."""
    share, new = percent_text(tuned["seen"]["images"] / tuned["images"]), tuned["unseen"]
    others = (
        f"On the {new['images']} others the accuracy is {percent_text(new['accuracy'])} "
        f"({format_interval(new['accuracy_interval'])})"
    )
    if not verified:
        return (
            f"{share} of the test images have the folder and file names of ImageNet's training "
            "images. If they are those images, the backbone was trained on them; nothing else was "
            f"checked. {others}."
        )
    return (
        f"{share} of the test images were among those the backbone learnt from. {others}: that "
        "is the figure for images it has never met, as far as so few can tell."
    )


def caveats(
    scores: dict[str, Any],
    audit: dict[str, Any],
    probe: dict[str, Any],
    params: Params,
    verified: bool,
) -> list[str]:
    """What to bear in mind before believing the first number."""
    tuned, test = scores["finetuned"], scores["mcnemar"]
    lines = [
        f"Fine-tuning: {percent_text(scores['frozen']['accuracy'])} before, "
        f"{percent_text(tuned['accuracy'])} after; {fine_tuning_verdict(test, scores)} (p = {test['p_value']:.2g})."
        + fine_tuning_outcome(params),
        "A logistic regression on the frozen backbone's features, which takes seconds: "
        f"{percent_text(probe['test']['accuracy'])}. What is no better is not worth its time.",
    ]
    if "unseen" in score_groups(scores):
        lines.append(seen_sentence(tuned, verified))
    odd = sum(audit["image_issues"].values())
    lines.append(
        f"{odd} findings of dark, light, blurred, almost empty or oddly sized images; the "
        f"largest class has {audit['balance']['ratio']:.1f} times the training images of the "
        "smallest."
    )
    return lines


def confusion_section(predictions: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The confusion matrix, or of many classes the commonest confusions."""
    names = [row["class_name"] for row in read_csv(PER_CLASS)]
    pairs: dict[tuple[str, str], int] = {}
    for row in predictions:
        key = row["label"], row["prediction"]
        pairs[key] = pairs.get(key, 0) + 1
    if len(names) <= MAX_MATRIX_CLASSES:
        return {"names": names, "matrix": [[pairs.get((a, b), 0) for b in names] for a in names]}
    wrong = sorted(((-n, *key) for key, n in pairs.items() if key[0] != key[1]))
    header = ("it is", "the model says", "test images")
    rows = [(a, b, -n) for n, a, b in wrong[:MAX_CONFUSIONS]]
    caption = f"The commonest of {len(wrong):,}; metrics/predictions.csv has every test image."
    return {"matrix": None, "pairs": page_table(header, rows, caption=caption)}


def per_class_table() -> Table:
    """Precision, recall and F1 of every class; of many the weakest, by F1."""
    scores = ("precision", "recall", "f1")
    classes, caption = read_csv(PER_CLASS), ""
    if len(classes) > MAX_CLASSES_LISTED:
        caption = (
            f"The {WEAKEST_CLASSES} classes of the lowest F1, and {len(classes) - WEAKEST_CLASSES:,} more, in "
            "metrics/per_class.csv."
        )
        classes = sorted(classes, key=lambda row: float(row["f1"]))[:WEAKEST_CLASSES]
    rows = [
        (row["class_name"], *(f"{float(row[name]):.3f}" for name in scores), row["images"])
        for row in classes
    ]
    header = ("class", "precision", "recall", "F1", "test images")
    return page_table(header, rows, sortable=True, caption=caption)


def parameter_table(params: Params) -> Table:
    """Every parameter by its dotted key."""
    rows = [(".".join(key), str(value)) for key, value in flatten(params.model_dump()).items()]
    return page_table(("key", "value"), rows, text=True)


def report_contents(params: Params) -> dict[str, Any]:
    """All that the report's template shows."""
    files = (SCORES, SPLIT_METRICS, AUDIT_METRICS, PROBE_SCORES, EXPORT_SCORES)
    scores, counts, audit, probe, exports = map(read_json, files)
    predictions = read_csv(PREDICTIONS)
    tuned, test = scores["finetuned"], scores["mcnemar"]
    images = {split: counts[split]["images"] for split in SPLITS}
    verified = is_imagenette()
    paper = verified and is_recipe(params, counts["classes"])
    titles = PAPER_TITLES if paper else TITLES
    return {
        "data": {"raw": params.data.raw},
        "classes": counts["classes"],
        "counts": images | {"all": sum(images.values())},
        "summary": {
            "accuracy": percent_text(tuned["accuracy"]),
            "interval": format_interval(tuned["accuracy_interval"]),
            "leaks": audit["leaks"],
            "suspects": audit["label_suspects"],
            "sentences": caveats(scores, audit, probe, params, verified),
        },
        "macro_f1": f"{scores['macro_f1']:.3f}",
        "balanced_accuracy": f"{scores['balanced_accuracy']:.3f}",
        "scores": score_table(scores, probe, verified),
        "paper": paper,
        "epochs": [
            epoch_table(stage, title, paper, stage == "finetune" and params.finetune.ema)
            for stage, title in titles.items()
        ],
        "charts": {
            "accuracy": metric_chart("accuracy", list(titles)),
            "loss": metric_chart("loss", list(titles)),
            "reliability": charts.reliability_chart(
                {model: read_csv(CALIBRATION / f"{model}.csv") for model in MODEL_NAMES}
            ),
        },
        "per_class": per_class_table(),
        "confusion": confusion_section(predictions),
        "mistakes": error_gallery(predictions),
        "calibration": {m: f"{scores[m]['calibration_error']:.3f}" for m in MODEL_NAMES},
        "mcnemar": {
            **test,
            "p": f"{test['p_value']:.3g}",
            "verdict": fine_tuning_verdict(test, scores),
        },
        "audit": {"counts": audit_count_table(audit), "lists": audit_sections(audit["leaks"])},
        "figures": {
            "examples": data_uri(EXAMPLES.read_bytes(), "image/jpeg"),
            "model": MODEL_SUMMARY.read_text(encoding="utf-8"),
        },
        "export": {
            "table": exported_model_table(exports),
            "doubts": thresholds_text(exports, params),
        },
        "parameters": parameter_table(params),
    }
