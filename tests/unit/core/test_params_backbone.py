"""Parameters that depend on the backbone: layers and weights."""

from pathlib import Path
from typing import Any

import pytest
from pipeline_clones import CHECKOUT, set_params

from tench.core.errors import TenchError
from tench.core.params import Params, load_params


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the committed params.yaml."""
    copy = tmp_path / "params.yaml"
    copy.write_bytes((CHECKOUT / "params.yaml").read_bytes())
    return copy


def load_with(file: Path, **values: Any) -> Params:
    """Load the file with some keys of backbone and finetune set."""
    sections = {"fine_tune_at": "finetune"}
    set_params(
        file.parent,
        {f"{sections.get(key, 'backbone')}.{key}": value for key, value in values.items()},
    )
    return load_params(file)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("name", "MobileNetV1", "must be one of MobileNetV2, MobileNetV2-0.35,"),
        ("name", 7, "a valid string"),
        ("cache_at", 0, "a whole number, 1 to 154, the layers of MobileNetV2, or auto"),
        ("cache_at", 155, "a whole number, 1 to 154, the layers of MobileNetV2, or auto"),
        ("cache_at", True, "1 to 154"),
        ("cache_at", "block_3", "or auto"),
        ("fine_tune_at", -1, "0 to 154, the layers of MobileNetV2, or a layer's name"),
        ("fine_tune_at", 155, "0 to 154"),
        ("fine_tune_at", 130.0, "a whole number"),
        ("fine_tune_at", "", "or a layer's name"),
    ],
)
def test_an_error_names_the_values_that_the_backbone_allows(
    file: Path, key: str, value: Any, allowed: str
) -> None:
    with pytest.raises(TenchError) as caught:
        load_with(file, **{key: value})
    said = str(caught.value)
    assert f".{key} = {value!r}: " in said
    assert allowed in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("weights", "other/mine.weights.h5"),
        ("weights", "random"),
        ("weights", "imagenet-160"),
        ("cache_at", 154),
        ("cache_at", "auto"),
        ("fine_tune_at", "block_15_expand"),
        ("fine_tune_at", 0),
        ("fine_tune_at", 154),
    ],
)
def test_limits_are_allowed(file: Path, key: str, value: Any) -> None:
    params = load_with(file, **{key: value})
    section = params.finetune if key == "fine_tune_at" else params.backbone
    assert getattr(section, key) == value


def test_another_backbone_has_other_layers_and_weights(file: Path) -> None:
    params = load_with(file, name="DenseNet121", cache_at=427, fine_tune_at=427)
    assert (params.backbone.cache_at, params.finetune.fine_tune_at) == (427, 427)
    with pytest.raises(TenchError) as caught:
        load_with(file, cache_at=428, weights="imagenet-224", fine_tune_at=428)
    weights, tap, first = str(caught.value).splitlines()
    assert "must be imagenet, random, or the path of a .weights.h5 file, for DenseNet121" in weights
    assert "1 to 427, the layers of DenseNet121, or auto" in tap
    assert "0 to 427, the layers of DenseNet121, or a layer's name" in first
