"""Configurations for servers of others, written for this classifier."""

from collections.abc import Sequence
from pathlib import Path

from tench.core.files import write_text
from tench.exported.runtimes import Said
from tench.exporting.card import TEMPLATES, templates

FOLDER = "serving"


def write_configurations(said: Said, size: int, folder: Path) -> None:
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
    for template in configurations():
        text = templates().get_template(f"{FOLDER}/{template}").render(shapes)
        write_text(text, folder / FOLDER / template)


def configurations() -> Sequence[str]:
    """The names of the configurations, sorted."""
    return sorted(file.name for file in (TEMPLATES / FOLDER).iterdir())
