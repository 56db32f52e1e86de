"""The exported function: the classifier's own answers, and Grad-CAM without gradients."""

from typing import Any

import numpy as np
import pytest
from networks import noise_pictures, random_weights, settings
from numpy.typing import NDArray

from tench.explaining.gradcam import heat_maps
from tench.exported.answers import heat_map
from tench.exporting.graph import exported_function
from tench.network.backbone import build_backbone
from tench.network.classifier import assemble, build_head

NAME, SIZE, CLASSES = "MobileNetV2-0.35", 64, 5


@pytest.fixture(scope="module", params=["adam", "logistic"])
def classifier(request: pytest.FixtureRequest) -> Any:
    """A classifier whose answers differ, with a hidden layer and without."""
    backbone = build_backbone(NAME, SIZE)
    random_weights(backbone, 1)
    head = build_head(settings(solver=request.param), backbone.output_shape[-1], CLASSES)
    random_weights(head, 2)
    return assemble(backbone, NAME, head)


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    return noise_pictures(SIZE).astype(np.uint8)


def test_probabilities_are_the_classifiers(classifier: Any, pictures: NDArray[np.uint8]) -> None:
    said = exported_function(classifier)(pictures.astype(np.float32))
    expected = classifier(pictures.astype(np.float32), training=False)
    np.testing.assert_allclose(said["probabilities"], expected, atol=1e-6)
    assert np.ptp(expected) > 0.01
    assert said["pooled"].shape == (4, 1280)


def test_heat_is_grad_cam(classifier: Any, pictures: NDArray[np.uint8]) -> None:
    heat = exported_function(classifier)(pictures.astype(np.float32))["heat"].numpy()
    assert heat.shape == (4, 2, 2, CLASSES)
    for place in range(CLASSES):
        by_gradients = heat_maps(classifier, pictures, np.full(4, place))
        for ours, theirs in zip(heat, by_gradients, strict=True):
            np.testing.assert_allclose(heat_map(ours, place), theirs, atol=1e-4)
