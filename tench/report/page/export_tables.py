"""The report's section on the exported models and their thresholds."""

from typing import Any

from tench.core.params import Params
from tench.report.page.tables import Table, page_table, percent_text

MODEL_TITLES = {
    "keras": "Keras, as scored above",
    "float32": "LiteRT, float32",
    "int8": "LiteRT, int8 backbone",
    "onnx": "ONNX, float32",
}
MODEL_TABLE_CAPTION = "Throughput varies between runs; it is listed under Cost and provenance."


def exported_model_table(figures: dict[str, Any]) -> Table:
    """Return one row per exported model."""
    rows = [
        (
            name,
            f"{figures[model]['accuracy']:.4f}",
            f"{figures[model]['difference']:.2g}",
            f"{figures[model]['bytes'] / 1e6:.1f}",
        )
        for model, name in MODEL_TITLES.items()
    ]
    header = ("model", "test accuracy", "largest probability difference", "MB")
    return page_table(header, rows, caption=MODEL_TABLE_CAPTION)


def thresholds_text(figures: dict[str, Any], params: Params) -> str:
    """Describe the thresholds for flagging predictions, and their effect on the test images."""
    trust, target = figures["thresholds"], percent_text(params.export.target_accuracy)
    test = trust["test"]
    if trust["confidence"] is None:
        confidence_text = (
            f"No confidence threshold reaches an accuracy of {target} on the validation images "
            "(export.target_accuracy), so every prediction is flagged as low confidence."
        )
    else:
        confidence_text = (
            f"At a confidence of {trust['confidence']:.3f} or more, {target} of the predictions "
            "on validation images are correct (export.target_accuracy). A prediction below this "
            "threshold is flagged as low confidence."
        )
    low_confidence = percent_text(test["low_confidence"])
    out_of_distribution = percent_text(test["out_of_distribution"])
    unflagged = percent_text(test["accepted"])
    correct = (
        f"; {percent_text(test['accuracy'])} of these are correct" if "accuracy" in test else ""
    )
    return (
        f"{confidence_text} An image whose nearest training image is farther than "
        f"{trust['distance']:.3f} (1 - cosine similarity of the pooled features) is flagged as out "
        "of distribution. One in a hundred validation images is. Of the test images, "
        f"{low_confidence} are flagged as low confidence and {out_of_distribution} as out of "
        f"distribution. {unflagged} have no flag{correct}."
    )
