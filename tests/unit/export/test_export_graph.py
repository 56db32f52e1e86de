"""The exported function: the classifier's predictions, and Grad-CAM without gradients."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_networks import head_params, make_noise_images, set_random_weights

from tench.deploy.runtime.predictor import class_heat_map
from tench.export.graph import exported_function
from tench.model.explain import grad_cam
from tench.model.network.backbone import build_backbone
from tench.model.network.classifier import assemble_classifier, build_head

NAME, SIZE, CLASSES = "MobileNetV2-0.35", 64, 5


@pytest.fixture(scope="module", params=["adam", "logistic"])
def classifier(request: pytest.FixtureRequest) -> Any:
    """A classifier with varied predictions, with and without a hidden layer."""
    backbone = build_backbone(NAME, SIZE)
    set_random_weights(backbone, 1)
    head = build_head(head_params(solver=request.param), backbone.output_shape[-1], CLASSES)
    set_random_weights(head, 2)
    return assemble_classifier(backbone, NAME, head)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return make_noise_images(SIZE).astype(np.uint8)


def test_probabilities_equal_the_classifiers(classifier: Any, images: NDArray[np.uint8]) -> None:
    outputs = exported_function(classifier)(images.astype(np.float32))
    expected = classifier(images.astype(np.float32), training=False)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-6)
    assert np.ptp(expected) > 0.01
    assert outputs["pooled"].shape == (4, 1280)


def test_heat_equals_grad_cam(classifier: Any, images: NDArray[np.uint8]) -> None:
    heat = exported_function(classifier)(images.astype(np.float32))["heat"].numpy()
    assert heat.shape == (4, 2, 2, CLASSES)
    for place in range(CLASSES):
        by_gradients = grad_cam(classifier, images, np.full(4, place))
        for ours, theirs in zip(heat, by_gradients, strict=True):
            np.testing.assert_allclose(class_heat_map(ours, place), theirs, atol=1e-4)
