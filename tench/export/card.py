"""The model card, README.md of an export: filled from the run, the same for the same results.

Its metadata follow Hugging Face's model cards: https://huggingface.co/docs/hub/model-cards
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
MAX_CLASSES_LISTED = 100  # classes in the list of them
WEAKEST_CLASSES = 5  # classes in the table of the weakest
# Of the pinned packages those that the stage depends on: others may change without its running.
LISTED_PACKAGES = (
    *("ai-edge-litert", "ai-edge-quantizer", "jinja2", "keras", "numpy", "onnx", "onnxruntime"),
    *("pillow", "scipy", "tensorflow", "tf2onnx"),
)
GROUP_TITLES = {
    "all": "all",
    "seen": "those the backbone was trained on",
    "unseen": "those the backbone has not seen",
}
GUESSED = {  # where names alone say so
    "all": "all",
    "seen": "named like those the backbone was trained on",
    "unseen": "the others",
}
IMAGE_LICENSES = {
    str(IMAGENETTE): "Images of ImageNet, whose terms allow research and teaching that is not "
    "commercial; Imagenette's own files (https://github.com/fastai/imagenette) are Apache-2.0.",
    str(SAMPLE): "Drawn by Tench itself: Apache-2.0.",
}
WEIGHT_LICENSES = {
    "random": "None were used.",
    "imagenet": "Keras's, Apache-2.0 (https://keras.io/api/applications); trained on ImageNet, "
    "whose images are for research and teaching that is not commercial.",
}


def escape_markdown(value: object) -> str:
    """A value as text that neither Markdown nor HTML takes for anything else."""
    text = escape(
        escape_control_characters(" ".join(str(value).split()), BIDI_CONTROLS), quote=False
    )
    return "".join(f"\\{one}" if one in "\\`*_[]|#~" else one for one in text)


def format_percent(share: float) -> str:
    """A share as a percentage with one place."""
    return f"{100 * share:.1f} %"


def images_license(raw: str) -> str:
    """What is known of the license of the images in a folder."""
    return IMAGE_LICENSES.get(
        str(Path(raw)), "Not recorded in the repository: it is that of whoever gave the images."
    )


def weights_license(weights: str) -> str:
    """What is known of the license of the weights that `backbone.weights` names."""
    if weights.endswith(".weights.h5"):
        return f"Not recorded in the repository: it is that of whoever made `{escape_markdown(weights)}`."
    return WEIGHT_LICENSES.get(weights, WEIGHT_LICENSES["imagenet"])


def card_metadata(params: Params, scores: Mapping[str, Any]) -> str:
    """The YAML in front of the card."""
    data = Path(params.data.raw).name
    measured = {"accuracy": scores["finetuned"]["accuracy"], "f1": scores["macro_f1"]}
    names = {"accuracy": "accuracy", "f1": "macro F1"}
    content = {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "license": "other",
        "license_name": "see-licenses-below",
        "tags": ["image-classification", "transfer-learning", "litert", "onnx", "tench"],
        "metrics": list(measured),
        "model-index": [
            {
                "name": f"{params.backbone.name} on {data}",
                "results": [
                    {
                        "task": {"type": "image-classification", "name": "Image classification"},
                        "dataset": {"name": data, "type": "imagefolder", "split": "test"},
                        "metrics": [
                            {"type": kind, "name": names[kind], "value": round(value, 4)}
                            for kind, value in measured.items()
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


def flatten_settings(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by dotted key."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{before}{key}"
        found |= flatten_settings(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def card_contents(
    params: Params, classes: Sequence[str], trust: Thresholds, figures: Mapping[str, Any]
) -> dict[str, Any]:
    """All that the template shows.

    Args:
        params: of the run.
        classes: their names.
        trust: from when on to doubt.
        figures: the content of metrics/export.json.
    """
    scores, counts, audit = read_json(SCORES), read_json(SPLIT_METRICS), read_json(AUDIT_METRICS)
    tuned = scores["finetuned"]
    groups = {"all": tuned} | {name: tuned[name] for name in ("seen", "unseen") if name in tuned}
    learned, verified = learned_from_imagenet(params.backbone.weights), is_imagenette()
    titles = GROUP_TITLES if verified else GUESSED
    per_class = sorted(read_csv(PER_CLASS), key=lambda row: (float(row["f1"]), row["class_name"]))
    return {
        "metadata": card_metadata(params, scores),
        "backbone": params.backbone.name,
        "known": BACKBONES[params.backbone.name],
        "classes": classes,
        "named": MAX_CLASSES_LISTED,
        "groups": [(titles[name], one) for name, one in groups.items()],
        "scores": scores,
        "trust": trust,
        "figures": figures,
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
    """The templates for Markdown and configurations; what is missing is an error."""
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
    trust: Thresholds,
    figures: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write README.md, of `contents`, into an export's folder."""
    shown = card_contents(params, classes, trust, figures)
    write_text(card_templates().get_template("card.md").render(shown), folder / "README.md")
