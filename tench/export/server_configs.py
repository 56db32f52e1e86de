"""Configurations for servers of others, written for this classifier."""

from collections.abc import Sequence
from pathlib import Path

from tench.core.files import write_text
from tench.deploy.runtime.backends import ModelOutput
from tench.export.card import TEMPLATES, card_templates

CONFIG_FOLDER = "serving"  # of an export
TEMPLATE_FOLDER = "server_configs"  # of TEMPLATES


def write_server_configs(said: ModelOutput, size: int, folder: Path) -> None:
    """Write a configuration for every server of docs/serving.md into an export's folder.

    Args:
        said: an answer, for the shapes.
        size: pixels a side.
        folder: of the export.
    """
    shapes = {
        "size": size,
        "classes": len(said.probabilities),
        "channels": len(said.pooled),
        "heat": said.heat.shape,
    }
    for template in list_server_configs():
        text = card_templates().get_template(f"{TEMPLATE_FOLDER}/{template}").render(shapes)
        write_text(text, folder / CONFIG_FOLDER / template)


def list_server_configs() -> Sequence[str]:
    """The names of the configurations, sorted."""
    return sorted(file.name for file in (TEMPLATES / TEMPLATE_FOLDER).iterdir())
