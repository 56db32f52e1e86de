"""The model card: README.md of an export, filled in from the run's metrics.

Its front matter follows Hugging Face's model cards: https://huggingface.co/docs/hub/model-cards
"""

import inspect
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ruamel.yaml import YAML

from tench.core.files import file_sha256, read_csv, read_json, write_text
from tench.core.names import BIDI_CONTROLS, SPLITS, escape_control_characters
from tench.core.origins import is_imagenette, learned_from_imagenet
from tench.core.params import Params
from tench.core.paths import (
    AUDIT_METRICS,
    IMAGENETTE,
    INDEX,
    PER_CLASS,
    SAMPLE,
    SCORES,
    SPLIT_METRICS,
)
from tench.core.specs import BACKBONES
from tench.data.decode.resize import PAD_COLOR, pad_box
from tench.deploy.runtime.export_folder import MODEL_FILES, Thresholds
from tench.run.packages import pinned_versions

TEMPLATES = Path(__file__).parent / "templates"
MAX_CLASSES_LISTED = 100  # larger models refer to model.json
WEAKEST_CLASSES = 5  # rows of the table of the weakest classes
# Only packages that the export stage depends on: others may change without rerunning it.
LISTED_PACKAGES = (
    *("ai-edge-litert", "ai-edge-quantizer", "jinja2", "keras", "numpy", "onnx", "onnxruntime"),
    *("pillow", "scipy", "tensorflow", "tf2onnx"),
)
GROUP_TITLES = {
    "all": "all",
    "seen": "used to train the backbone",
    "unseen": "not used to train the backbone",
}
GUESSED_GROUP_TITLES = {  # the groups follow from file names alone
    "all": "all",
    "seen": "named like those the backbone was trained on",
    "unseen": "the others",
}
IMAGE_LICENSES = {
    str(IMAGENETTE): "ImageNet images, for non-commercial research and teaching only; "
    "Imagenette itself (https://github.com/fastai/imagenette) is Apache-2.0.",
    str(SAMPLE): "Drawn by Tench itself: Apache-2.0.",
}
WEIGHT_LICENSES = {
    "random": "None used.",
    "imagenet": "From Keras, Apache-2.0 (https://keras.io/api/applications); trained on ImageNet, "
    "whose images are for non-commercial research and teaching only.",
}


def escape_markdown(value: object) -> str:
    """Escape a value so that neither Markdown nor HTML interprets it."""
    text = escape(
        escape_control_characters(" ".join(str(value).split()), BIDI_CONTROLS), quote=False
    )
    return "".join(f"\\{char}" if char in "\\`*_[]|#~" else char for char in text)


def format_percent(share: float) -> str:
    """Format a share in 0 to 1 as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def images_license(raw: str) -> str:
    """License of the images in `data.raw`, as far as it is known."""
    return IMAGE_LICENSES.get(
        str(Path(raw)), "Not recorded in the repository; ask whoever provided the images."
    )


def weights_license(weights: str) -> str:
    """License of the weights that `backbone.weights` names, as far as it is known."""
    if weights.endswith(".weights.h5"):
        return f"Not recorded in the repository; ask the author of `{escape_markdown(weights)}`."
    return WEIGHT_LICENSES.get(weights, WEIGHT_LICENSES["imagenet"])


def card_metadata(params: Params, scores: Mapping[str, Any]) -> str:
    """The YAML front matter of the card."""
    data = Path(params.data.raw).name
    values = {"accuracy": scores["finetuned"]["accuracy"], "f1": scores["macro_f1"]}
    names = {"accuracy": "accuracy", "f1": "macro F1"}
    content = {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "license": "other",
        "license_name": "see-licenses-below",
        "tags": ["image-classification", "transfer-learning", "litert", "onnx", "tench"],
        "metrics": list(values),
        "model-index": [
            {
                "name": f"{params.backbone.name} on {data}",
                "results": [
                    {
                        "task": {"type": "image-classification", "name": "Image classification"},
                        "dataset": {"name": data, "type": "imagefolder", "split": "test"},
                        "metrics": [
                            {"type": kind, "name": names[kind], "value": round(value, 4)}
                            for kind, value in values.items()
                        ],
                    }
                ],
            }
        ],
    }
    out = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(content, out)
    return out.getvalue()


def flatten_settings(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        flat |= flatten_settings(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def card_contents(
    params: Params, classes: Sequence[str], thresholds: Thresholds, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Variables of the template.

    Args:
        params: Parameters of the run.
        classes: Class names, in the order of the probabilities.
        thresholds: Thresholds of the flags.
        metrics: Content of metrics/export.json.
    """
    scores, counts, audit = read_json(SCORES), read_json(SPLIT_METRICS), read_json(AUDIT_METRICS)
    final = scores["finetuned"]
    groups = {"all": final} | {name: final[name] for name in ("seen", "unseen") if name in final}
    learned, verified = learned_from_imagenet(params.backbone.weights), is_imagenette()
    titles = GROUP_TITLES if verified else GUESSED_GROUP_TITLES
    per_class = sorted(read_csv(PER_CLASS), key=lambda row: (float(row["f1"]), row["class_name"]))
    return {
        "metadata": card_metadata(params, scores),
        "backbone": params.backbone.name,
        "backbone_spec": BACKBONES[params.backbone.name],
        "classes": classes,
        "max_classes": MAX_CLASSES_LISTED,
        "groups": [(titles[name], group) for name, group in groups.items()],
        "scores": scores,
        "thresholds": thresholds,
        "metrics": metrics,
        "files": MODEL_FILES,
        "counts": {split: counts[split]["images"] for split in SPLITS},
        "seen": counts["test"]["seen_by_backbone"] if learned else 0,
        "verified": verified,
        "rejected": counts["rejected"],
        "index_digest": file_sha256(INDEX),
        "weakest": per_class[:WEAKEST_CLASSES],
        "audit": audit,
        "parameters": flatten_settings(params.model_dump(exclude={"baseline"})),
        "packages": {name: pinned_versions()[name] for name in LISTED_PACKAGES},
        "size": params.data.image_size,
        "resize": params.data.resize,
        "gray": PAD_COLOR,
        "pad_source": inspect.getsource(pad_box),
        "raw": params.data.raw,
        "images_license": images_license(params.data.raw),
        "weights_license": weights_license(params.backbone.weights),
    }


def card_templates() -> Environment:
    """Jinja environment of the card and the server configurations; undefined names are errors."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": escape_markdown, "percent": format_percent}
    return environment


def write_card(
    params: Params,
    classes: Sequence[str],
    thresholds: Thresholds,
    metrics: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write the model card, README.md, to an export folder; arguments as in `card_contents`."""
    contents = card_contents(params, classes, thresholds, metrics)
    write_text(card_templates().get_template("card.md").render(contents), folder / "README.md")
