"""Configurations for other model servers: Triton, KServe, TensorFlow Serving."""

from collections.abc import Sequence
from pathlib import Path

from tench.core.files import write_text
from tench.deploy.runtime.backends import ModelOutput
from tench.export.card import TEMPLATES, card_templates

CONFIG_FOLDER = "serving"  # in an export
TEMPLATE_FOLDER = "server_configs"  # in TEMPLATES


def write_server_configs(output: ModelOutput, size: int, folder: Path) -> None:
    """Write a configuration for every server in docs/serving.md.

    Args:
        output: Any output of the classifier, for its shapes.
        size: Width and height of the input in pixels.
        folder: The export folder.
    """
    shapes = {
        "size": size,
        "classes": len(output.probabilities),
        "channels": len(output.pooled),
        "heat": output.heat.shape,
    }
    for template in list_server_configs():
        text = card_templates().get_template(f"{TEMPLATE_FOLDER}/{template}").render(shapes)
        write_text(text, folder / CONFIG_FOLDER / template)


def list_server_configs() -> Sequence[str]:
    """List the names of the configurations, sorted."""
    return sorted(file.name for file in (TEMPLATES / TEMPLATE_FOLDER).iterdir())
