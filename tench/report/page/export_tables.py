"""What the report says of the exported models, and of when to doubt them."""

from typing import Any

from tench.core.params import Params
from tench.report.page.tables import Table, page_table, percent_text

MODEL_TITLES = {
    "keras": "Keras, as scored above",
    "float32": "LiteRT, floats",
    "int8": "LiteRT, backbone in 8-bit integers",
    "onnx": "ONNX, floats",
}
MODEL_TABLE_CAPTION = "Images a second differ from run to run: they are below, under cost."


def exported_model_table(figures: dict[str, Any]) -> Table:
    """One row for every exported model."""
    rows = [
        (
            name,
            f"{figures[model]['accuracy']:.4f}",
            f"{figures[model]['difference']:.2g}",
            f"{figures[model]['bytes'] / 1e6:.1f}",
        )
        for model, name in MODEL_TITLES.items()
    ]
    header = ("model", "test accuracy", "largest difference of a probability", "MB")
    return page_table(header, rows, caption=MODEL_TABLE_CAPTION)


def thresholds_text(figures: dict[str, Any], params: Params) -> str:
    """When an answer is to be doubted, and what that does to the test images."""
    trust, wanted = figures["thresholds"], percent_text(params.export.target_accuracy)
    test = trust["test"]
    if trust["confidence"] is None:
        first = f"On validation no confidence is enough for {wanted} of the answers to be right."
    else:
        first = (
            f"From a confidence of {trust['confidence']:.3f} on, {wanted} of the answers about "
            "validation images are right (export.target_accuracy); what is less is called "
            "unsure."
        )
    right = f", of which {percent_text(test['accuracy'])} are right" if "accuracy" in test else ""
    return (
        f"{first} An image whose nearest training image is farther than "
        f"{trust['distance']:.3f} (1 - cosine of the pooled features) is called a stranger: one in "
        f"a hundred of the validation images is. Of the test images, "
        f"{percent_text(test['low_confidence'])} have low confidence, "
        f"{percent_text(test['out_of_distribution'])} are out of distribution, and "
        f"{percent_text(test['accepted'])} are accepted{right}."
    )
