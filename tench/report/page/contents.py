"""The template context of the report, gathered from metrics/."""

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

MAX_MATRIX_CLASSES = 20  # with more classes, the most frequent confusions replace the matrix
MAX_CONFUSIONS = 30
MAX_CLASSES_LISTED = 100  # with more classes, only the weakest are listed
WEAKEST_CLASSES = 50

EMA_NOTE = (
    "Training metrics are averages over the steps of an epoch. Validation metrics are those of an "
    "exponential moving average of the weights (finetune.ema), which is also what is saved. About "
    "a seventh of it (e^-2) comes from the weights at the start of the epoch."
)
INTERVALS_NOTE = "95% intervals: Wilson score for accuracy, bootstrap for loss."
GROUP_TITLES = {"all": "all", "seen": "seen in pretraining", "unseen": "not seen in pretraining"}
GUESSED_TITLES = {  # if only the file names suggest it
    "all": "all",
    "seen": "named like those the backbone was trained on",
    "unseen": "the others",
}


def epoch_rows(stage: str, paper: bool) -> list[list[str]]:
    """Return one row per epoch; with `paper`, also the paper's values and the difference."""
    rows = []
    for epoch, values in read_history(stage):
        rows.append([f"{epoch}{' (ours)' if paper else ''}", *(f"{v:.3f}" for v in values)])
        if paper:
            gaps = [f"{v - theirs:+.3f}" for v, theirs in zip(values, TABLES[epoch], strict=True)]
            rows.append([f"{epoch} (paper)", *(f"{v:.2f}" for v in TABLES[epoch])])
            rows.append([f"{epoch} (difference)", *gaps])
    return rows


def epoch_table(stage: str, title: str, paper: bool, averaged: bool) -> dict[str, Any]:
    """Return the metrics of a training stage, one row per epoch, with a title."""
    caption = EMA_NOTE if averaged else ""
    rows = epoch_rows(stage, paper)
    return {"title": title, "table": page_table(["epoch", *HISTORY_NAMES], rows, caption=caption)}


def metric_chart(metric: str, stages: Sequence[str]) -> Any:
    """Plot a metric over one or two training stages."""
    histories = [read_history(stage) for stage in stages]
    rows = [row for history in histories for row in history]
    train, val = (
        [values[HISTORY_COLUMNS.index((split, metric))] for _, values in rows]
        for split in ("train", "val")
    )
    before = len(histories[0]) if len(histories) > 1 else 0
    return charts.learning_curve_chart(metric, [epoch for epoch, _ in rows], train, val, before)


def format_with_interval(scores: dict[str, Any], name: str) -> str:
    """Format a score with its 95% interval."""
    return "{:.3f} ({:.3f} to {:.3f})".format(scores[name], *scores[f"{name}_interval"])


def format_interval(interval: Sequence[float]) -> str:
    """Format an interval of fractions as percentages."""
    return " to ".join(percent_text(end) for end in interval)


def score_table(scores: dict[str, Any], probe: dict[str, Any], verified: bool) -> Table:
    """Return accuracy and loss of both models and of the linear probe, per group of test images.

    Args:
        scores: Content of metrics/evaluate.json.
        probe: Content of metrics/probe.json.
        verified: Whether the images are known to be Imagenette. Otherwise "seen in pretraining" is
            a guess from file names, and the titles call it one.
    """
    titles = GROUP_TITLES if verified else GUESSED_TITLES
    rows = [
        (
            titles[name],
            models[0]["images"],
            *(format_with_interval(m, metric) for metric in ("accuracy", "loss") for m in models),
        )
        for name, models in score_groups(scores).items()
    ]
    test = probe["test"]
    accuracy, loss = (format_with_interval(test, metric) for metric in ("accuracy", "loss"))
    rows.append(("all (linear probe)", test["images"], accuracy, "", loss, ""))
    header = ("test images", "count", "accuracy, frozen", "accuracy, fine-tuned")
    return page_table((*header, "loss, frozen", "loss, fine-tuned"), rows, caption=INTERVALS_NOTE)


def fine_tuning_verdict(mcnemar: dict[str, Any], scores: dict[str, Any]) -> str:
    """Describe the effect of fine-tuning on test accuracy, at a significance level of 0.05."""
    if mcnemar["p_value"] >= 0.05:
        return "no significant difference"
    better = scores["finetuned"]["accuracy"] > scores["frozen"]["accuracy"]
    return f"fine-tuning made the model significantly {'better' if better else 'worse'}"


def fine_tuning_outcome(params: Params) -> str:
    """Describe which epoch validation selected; empty without finetune.patience."""
    if not params.finetune.patience:
        return ""
    epoch = read_json(FINETUNE_SCORES)["kept_epoch"]
    if epoch > params.extract_train.last_epoch:
        return f" The model uses the weights of epoch {epoch}, the best on validation."
    return " Fine-tuning discarded: no epoch was significantly better than the head on validation."


def seen_sentence(tuned: dict[str, Any], verified: bool) -> str:
    """Describe how many test images were seen in pretraining, and the accuracy on the others.

    Args:
        tuned: Test scores of the fine-tuned model.
        verified: As in `score_table`.
    """
    share, new = percent_text(tuned["seen"]["images"] / tuned["images"]), tuned["unseen"]
    others = (
        f"On the other {new['images']}, accuracy is {percent_text(new['accuracy'])} "
        f"(95% interval {format_interval(new['accuracy_interval'])})."
    )
    if not verified:
        return (
            f"{share} of the test images have the folder and file names of ImageNet's training "
            "images. If they are those images, the backbone was trained on them; only the names "
            f"were checked. {others}"
        )
    return (
        f"{share} of the test images were among those the backbone was trained on. {others} That "
        "is the better estimate for new images, although the sample is smaller."
    )


def caveats(
    scores: dict[str, Any],
    audit: dict[str, Any],
    probe: dict[str, Any],
    params: Params,
    verified: bool,
) -> list[str]:
    """Return sentences that put the headline accuracy in context."""
    tuned, test = scores["finetuned"], scores["mcnemar"]
    lines = [
        f"Test accuracy is {percent_text(scores['frozen']['accuracy'])} before fine-tuning and "
        f"{percent_text(tuned['accuracy'])} after it: {fine_tuning_verdict(test, scores)} "
        f"(p = {test['p_value']:.2g}).{fine_tuning_outcome(params)}",
        "A linear probe (logistic regression on the frozen backbone's features) reaches "
        f"{percent_text(probe['test']['accuracy'])} and trains in seconds. A model that does not "
        "beat it is not worth its training time.",
    ]
    if "unseen" in score_groups(scores):
        lines.append(seen_sentence(tuned, verified))
    issues = sum(audit["image_issues"].values())
    lines.append(
        f"Image quality findings (dark, light, blurry, nearly uniform or oddly sized): {issues}. "
        f"The largest class has {audit['balance']['ratio']:.1f} times as many training images as "
        "the smallest."
    )
    return lines


def confusion_section(predictions: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Return the confusion matrix or, with many classes, the most frequent confusions."""
    names = [row["class_name"] for row in read_csv(PER_CLASS)]
    pairs: dict[tuple[str, str], int] = {}
    for row in predictions:
        key = row["label"], row["prediction"]
        pairs[key] = pairs.get(key, 0) + 1
    if len(names) <= MAX_MATRIX_CLASSES:
        return {"names": names, "matrix": [[pairs.get((a, b), 0) for b in names] for a in names]}
    wrong = sorted(((-n, *key) for key, n in pairs.items() if key[0] != key[1]))
    header = ("true class", "predicted class", "test images")
    rows = [(a, b, -n) for n, a, b in wrong[:MAX_CONFUSIONS]]
    caption = (
        f"The most frequent of {len(wrong):,}; metrics/predictions.csv lists every test image."
    )
    return {"matrix": None, "pairs": page_table(header, rows, caption=caption)}


def per_class_table() -> Table:
    """Return precision, recall and F1 per class; of many classes, only those with the lowest F1."""
    scores = ("precision", "recall", "f1")
    classes, caption = read_csv(PER_CLASS), ""
    if len(classes) > MAX_CLASSES_LISTED:
        caption = (
            f"The {WEAKEST_CLASSES} classes with the lowest F1. The other "
            f"{len(classes) - WEAKEST_CLASSES:,} are in metrics/per_class.csv."
        )
        classes = sorted(classes, key=lambda row: float(row["f1"]))[:WEAKEST_CLASSES]
    rows = [
        (row["class_name"], *(f"{float(row[name]):.3f}" for name in scores), row["images"])
        for row in classes
    ]
    header = ("class", "precision", "recall", "F1", "test images")
    return page_table(header, rows, sortable=True, caption=caption)


def parameter_table(params: Params) -> Table:
    """Return every parameter with its dotted key."""
    rows = [(".".join(key), str(value)) for key, value in flatten(params.model_dump()).items()]
    return page_table(("parameter", "value"), rows, text=True)


def report_contents(params: Params) -> dict[str, Any]:
    """Read metrics/ and return the template context of the report."""
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
        "errors": error_gallery(predictions),
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
            "thresholds": thresholds_text(exports, params),
        },
        "parameters": parameter_table(params),
    }
