"""Thresholds of the flags, and the checks of exported models."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.data.index import Row
from tench.deploy.runtime.export_folder import Thresholds
from tench.deploy.runtime.neighbors import ReferenceSet, find_neighbors, normalize_vectors
from tench.deploy.runtime.predictor import (
    LOW_CONFIDENCE,
    OUT_OF_DISTRIBUTION,
    class_heat_map,
    prediction_flag,
)
from tench.export.thresholds import (
    confidence_threshold,
    evaluate_thresholds,
    fit_thresholds,
    reference_distances,
)
from tench.export.verify import ModelComparison, check_models, compare_with_keras


def array(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("right", "accuracy", "expected"),
    [
        ([1, 1, 1, 0, 1], 1.0, 0.7),  # the three most confident are correct
        ([1, 1, 1, 0, 1], 0.8, 0.5),  # four of five
        ([1, 1, 1, 1, 1], 1.0, 0.5),
        ([0, 1, 1, 1, 0], 0.75, 0.6),  # three of the four most confident
        ([0, 1, 1, 1, 1], 1.0, None),  # the most confident is wrong
    ],
)
def test_the_threshold_is_the_lowest_confidence_that_reaches_the_accuracy(
    right: list[int], accuracy: float, expected: float | None
) -> None:
    found = confidence_threshold(array(0.9, 0.8, 0.7, 0.6, 0.5), np.array(right, bool), accuracy)
    assert found == (expected and pytest.approx(expected))


def test_equal_confidences_are_accepted_together() -> None:
    confidence, right = array(0.9, 0.6, 0.6), np.array([True, True, False])
    assert confidence_threshold(confidence, right, 1.0) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("confidence", "probability", "distance", "expected"),
    [
        (0.8, 0.9, 0.1, ""),
        (0.8, 0.8, 0.3, ""),
        (0.8, 0.7, 0.1, LOW_CONFIDENCE),
        (0.8, 0.9, 0.4, OUT_OF_DISTRIBUTION),
        (None, 1.0, 0.1, LOW_CONFIDENCE),
    ],
)
def test_flags(
    confidence: float | None, probability: float, distance: float, expected: str
) -> None:
    assert prediction_flag(Thresholds(confidence, 0.99, 0.3), probability, distance) == expected


def test_thresholds_and_their_effect() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 400)
    confidences = rng.uniform(0.5, 1, 400)
    predicted = np.where(rng.uniform(size=400) < confidences, labels, 1 - labels)  # calibrated
    probabilities = np.where(
        predicted[:, None] == [0, 1], confidences[:, None], 1 - confidences[:, None]
    )
    probabilities = probabilities.astype(np.float32)
    distances = rng.uniform(0, 1, 400).astype(np.float32)
    trust = fit_thresholds(probabilities, labels, distances, 0.9)
    assert trust.confidence is not None
    assert 0.6 < trust.confidence < 0.95
    assert trust.distance == pytest.approx(0.99, abs=0.02)
    found = evaluate_thresholds(trust, probabilities, labels, distances)["test"]
    shares = [found[key] for key in ("accepted", "low_confidence", "out_of_distribution")]
    assert sum(shares) == pytest.approx(1)
    assert found["accuracy"] >= 0.88
    none = evaluate_thresholds(Thresholds(None, 0.9, 2.0), probabilities, labels, distances)["test"]
    assert none == {"out_of_distribution": 0.0, "low_confidence": 1.0, "accepted": 0.0}


def test_nearest_neighbors_by_angle() -> None:
    known = ReferenceSet(
        normalize_vectors(array(1, 0, 0, 1, 1, 1, -1, 0).reshape(4, 2)),
        [{"path": f"{n}.jpg", "class_name": "ab"[n % 2]} for n in range(4)],
        None,
    )
    found = find_neighbors(known, array(9, 0), 3)
    assert [(one.row, one.class_name) for one in found] == [(0, "a"), (2, "a"), (1, "b")]
    assert [one.distance for one in found] == pytest.approx([0, 1 - 2**-0.5, 1], abs=1e-6)
    assert len(find_neighbors(known, array(1, 1), 9)) == 4
    np.testing.assert_allclose(
        reference_distances(known, array(0, 3, -2, 0).reshape(2, 2)), 0, atol=1e-6
    )
    assert normalize_vectors(array(0, 0)).tolist() == [0, 0]


def test_heat_maps_are_scaled_to_their_maximum() -> None:
    heat = array(-1, 2, 4, 0, -1, -2, -3, -4).reshape(2, 2, 2)
    assert class_heat_map(heat, 0).tolist() == [[0, 1], [0, 0]]
    assert class_heat_map(heat, 1).tolist() == [[1, 0], [0, 0]]
    assert class_heat_map(-np.abs(heat), 0).tolist() == [[0, 0], [0, 0]]


ROWS = [Row(f"{n}.webp", "test", n % 2, "ab"[n % 2], "", "", "", 0, n) for n in range(4)]


def test_models_are_compared_on_the_same_images() -> None:
    scored = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]], np.float32)
    predicted = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.4, 0.6]], np.float32)
    found = compare_with_keras(predicted, scored, ROWS)
    assert found == ModelComparison(
        accuracy=0.5,
        max_difference=pytest.approx(0.4),
        accuracy_drop=pytest.approx(0.25),
        net_errors=1,
        images=4,
    )


@pytest.mark.parametrize(
    ("name", "one", "words"),
    [
        (
            "float32",
            ModelComparison(0.9, 2e-4, 0.0, 0, 100),
            r"float32: accuracy 0.9000, .* 0.0002, more than 0.0001",
        ),
        ("onnx", ModelComparison(0.9, float("nan"), 0.0, 0, 100), "onnx: accuracy 0.9000"),
        (
            "int8",
            ModelComparison(0.9, 0.5, 0.03, 30, 1000),
            r"int8: .* 0.0300 less .* \(30 images\).*export.max_accuracy_drop = 0.02",
        ),
        ("int8", ModelComparison(0.9, 0.5, 0.024, 6, 250), "export.max_accuracy_drop"),
        ("int8", ModelComparison(0.9, 0.5, 3 / 21, 3, 21), "export.max_accuracy_drop"),
    ],
)
def test_a_model_that_is_not_what_was_scored_is_refused(
    name: str, one: ModelComparison, words: str
) -> None:
    with pytest.raises(TenchError, match=words):
        check_models({name: one}, 0.02)


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("float32", ModelComparison(0.9, 1e-5, 0.0, 0, 100)),
        ("int8", ModelComparison(0.9, 0.7, 0.02, 20, 1000)),
        ("int8", ModelComparison(0.9, 0.7, 0.1, 1, 10)),
        ("int8", ModelComparison(0.9, 0.7, 2 / 21, 2, 21)),  # not significant with so few images
        ("int8", ModelComparison(0.9, 0.7, -0.1, -1, 10)),
    ],
)
def test_a_model_that_is_what_was_scored_passes(name: str, one: ModelComparison) -> None:
    check_models({name: one}, 0.02)


def test_with_no_allowed_drop_a_single_error_is_refused() -> None:
    with pytest.raises(TenchError, match=r"export.max_accuracy_drop = 0.0:"):
        check_models({"int8": ModelComparison(0.9, 0.7, 0.1, 1, 10)}, 0.0)
