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

from tench.core.backbones import BACKBONES
from tench.core.files import file_sha256, read_csv, read_json, write_text
from tench.core.names import SPLITS, TURNING, visible
from tench.core.origins import is_imagenette, learned_from_imagenet
from tench.core.packages import pinned
from tench.core.params import Params
from tench.core.paths import AUDIT, COUNTS, IMAGENETTE, INDEX, PER_CLASS, SAMPLE, SCORES
from tench.exported.folder import MODELS, Trust
from tench.pictures.prepared import GREY, pad_box

TEMPLATES = Path(__file__).parent / "templates"
NAMED = 100  # classes in the list of them
WEAKEST = 5  # classes in the table of the weakest
# Of the pinned packages those that the stage depends on: others may change without its running.
MADE_WITH = (
    *("ai-edge-litert", "ai-edge-quantizer", "jinja2", "keras", "numpy", "onnx", "onnxruntime"),
    *("pillow", "scipy", "tensorflow", "tf2onnx"),
)
GROUPS = {
    "all": "all",
    "seen": "those the backbone was trained on",
    "unseen": "those the backbone has not seen",
}
GUESSED = {  # where names alone say so
    "all": "all",
    "seen": "named like those the backbone was trained on",
    "unseen": "the others",
}
PICTURES = {
    str(IMAGENETTE): "Pictures of ImageNet, whose terms allow research and teaching that is not "
    "commercial; Imagenette's own files (https://github.com/fastai/imagenette) are Apache-2.0.",
    str(SAMPLE): "Drawn by Tench itself: Apache-2.0.",
}
WEIGHTS = {
    "random": "None were used.",
    "imagenet": "Keras's, Apache-2.0 (https://keras.io/api/applications); trained on ImageNet, "
    "whose pictures are for research and teaching that is not commercial.",
}


def plain(value: object) -> str:
    """A value as text that neither Markdown nor HTML takes for anything else."""
    text = escape(visible(" ".join(str(value).split()), TURNING), quote=False)
    return "".join(f"\\{one}" if one in "\\`*_[]|#~" else one for one in text)


def percent(share: float) -> str:
    """A share as a percentage with one place."""
    return f"{100 * share:.1f} %"


def pictures_licence(raw: str) -> str:
    """What is known of the licence of the pictures in a folder."""
    return PICTURES.get(
        str(Path(raw)), "Not recorded in the repository: it is that of whoever gave the pictures."
    )


def weights_licence(weights: str) -> str:
    """What is known of the licence of the weights that `backbone.weights` names."""
    if weights.endswith(".weights.h5"):
        return f"Not recorded in the repository: it is that of whoever made `{plain(weights)}`."
    return WEIGHTS.get(weights, WEIGHTS["imagenet"])


def metadata(params: Params, scores: Mapping[str, Any]) -> str:
    """The YAML in front of the card."""
    data = Path(params.data.raw).name
    measured = {"accuracy": scores["finetuned"]["accuracy"], "f1": scores["macro_f1"]}
    names = {"accuracy": "accuracy", "f1": "macro F1"}
    content = {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "license": "other",
        "license_name": "see-licences-below",
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


def leaves(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by dotted key."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{before}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def contents(
    params: Params, classes: Sequence[str], trust: Trust, figures: Mapping[str, Any]
) -> dict[str, Any]:
    """All that the template shows.

    Args:
        params: of the run.
        classes: their names.
        trust: from when on to doubt.
        figures: the content of metrics/export.json.
    """
    scores, counts, audit = read_json(SCORES), read_json(COUNTS), read_json(AUDIT)
    tuned = scores["finetuned"]
    groups = {"all": tuned} | {name: tuned[name] for name in ("seen", "unseen") if name in tuned}
    learned, verified = learned_from_imagenet(params.backbone.weights), is_imagenette()
    titles = GROUPS if verified else GUESSED
    per_class = sorted(read_csv(PER_CLASS), key=lambda row: (float(row["f1"]), row["class_name"]))
    return {
        "metadata": metadata(params, scores),
        "backbone": params.backbone.name,
        "known": BACKBONES[params.backbone.name],
        "classes": classes,
        "named": NAMED,
        "groups": [(titles[name], one) for name, one in groups.items()],
        "scores": scores,
        "trust": trust,
        "figures": figures,
        "files": MODELS,
        "counts": {split: counts[split]["pictures"] for split in SPLITS},
        "seen": counts["test"]["seen_by_backbone"] if learned else 0,
        "verified": verified,
        "rejected": counts["rejected"],
        "index_digest": file_sha256(INDEX),
        "weakest": per_class[:WEAKEST],
        "audit": audit,
        "parameters": leaves(params.model_dump(exclude={"baseline"})),
        "packages": {name: pinned()[name] for name in MADE_WITH},
        "size": params.data.image_size,
        "resize": params.data.resize,
        "grey": GREY,
        "pad_source": inspect.getsource(pad_box),
        "raw": params.data.raw,
        "pictures_licence": pictures_licence(params.data.raw),
        "weights_licence": weights_licence(params.backbone.weights),
    }


def templates() -> Environment:
    """The templates for Markdown and configurations; what is missing is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "percent": percent}
    return environment


def write_card(
    params: Params, classes: Sequence[str], trust: Trust, figures: Mapping[str, Any], folder: Path
) -> None:
    """Write README.md, of `contents`, into an export's folder."""
    shown = contents(params, classes, trust, figures)
    write_text(templates().get_template("card.md").render(shown), folder / "README.md")
