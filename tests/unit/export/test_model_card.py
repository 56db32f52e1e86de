"""The model card: its list of classes, and its code snippet."""

import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from pipeline_clones import CHECKOUT
from report_project import make_export_metrics

from tench.core import paths
from tench.core.files import read_json, write_json
from tench.core.names import ResizeMode
from tench.core.params import Params, load_params
from tench.data.decode.resize import resize
from tench.deploy.runtime.export_folder import Thresholds
from tench.export.card import write_card


@pytest.fixture
def project(report_project: Path) -> Path:
    """A project with the inputs of a model card."""
    counts = read_json(paths.SPLIT_METRICS)
    for split in ("train", "val", "test"):
        counts[split] |= {"seen_by_backbone": 0}
    write_json(counts | {"rejected": 0}, paths.SPLIT_METRICS)
    shutil.copy(CHECKOUT / paths.PACKAGES, paths.PACKAGES)
    return report_project


def card(params: Params, classes: int, folder: Path) -> str:
    """Text of a card with `classes` classes."""
    names = [f"class_{n:04d}" for n in range(classes)]
    write_card(params, names, Thresholds(0.9, 0.99, 0.4), make_export_metrics(), folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def test_a_card_lists_a_hundred_classes_and_counts_the_rest(project: Path) -> None:
    cards = [card(load_params(), count, project) for count in (3, 100, 1000)]
    assert "\nClasses: class\\_0000, class\\_0001, class\\_0002.\n" in cards[0]
    assert ", class\\_0099.\n" in cards[1]
    assert ", class\\_0099 and 900 more, listed in `model.json`.\n" in cards[2]
    assert "# Classifier of 1000 classes" in cards[2]


@pytest.mark.parametrize("how", get_args(ResizeMode))
@pytest.mark.parametrize("side", [32, 160, 171])
def test_the_snippet_of_a_card_resizes_as_prepare_does(
    project: Path, how: ResizeMode, side: int
) -> None:
    params = load_params()
    data = params.data.model_copy(update={"resize": how, "image_size": side})
    text = card(params.model_copy(update={"data": data}), 3, project)
    code = text.split("```python\n")[1].split("```")[0].split("classify = ")[0]
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)
    sizes = [(width, height) for width in (97, 160) for height in range(100, 201)]
    for width, height in [*sizes, (1, 400), (300, 1), (1, 1)]:
        image = Image.fromarray(noise[:height, :width])
        image.save(project / "some.jpg", "PNG", compress_level=0)
        names: dict[str, Any] = {}
        exec(code, names)
        expected = np.asarray(resize(image, side, how))
        assert np.array_equal(np.asarray(names["image"]), expected), (width, height)
