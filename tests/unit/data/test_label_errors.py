"""Label errors found from out-of-fold predictions, in data sets of different sizes."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from feature_shards import write_features
from numpy.typing import NDArray

from tench.data.audit import label_errors
from tench.data.audit.label_errors import find_label_suspects, fit_out_of_fold, row_chunks
from tench.data.index import Row

CLASSES, WIDTH = 4, 12


@pytest.mark.parametrize("per_class", [4, 60])
def test_swapped_labels_are_found(tmp_path: Path, per_class: int) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(CLASSES), per_class)
    features = (3 * np.eye(WIDTH)[truth] + 0.2 * rng.random((len(truth), WIDTH))).astype(np.float32)
    labels = truth.astype(np.int32)
    wrong = rng.choice(len(truth), len(truth) // 15, replace=False)
    labels[wrong] = (labels[wrong] + 1) % CLASSES
    half = len(truth) // 2
    parts = [
        write_features(tmp_path / "a", features[:half]),
        write_features(tmp_path / "b", features[half:]),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        predict = fit_out_of_fold(parts, labels, 16, seed=1)
    everything = np.arange(len(labels))
    probabilities = predict(everything)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    again = fit_out_of_fold(parts, labels, 16, seed=1)
    np.testing.assert_array_equal(probabilities, again(everything))
    rows = [Row(str(n), "train", int(y), f"c{y}", "", "", "", 0, n) for n, y in enumerate(labels)]
    found = {int(s.row.path): s.suggestion for s in find_label_suspects(rows, predict)}
    correct = sum(found.get(n) == f"c{truth[n]}" for n in wrong.tolist())
    assert correct >= 0.9 * len(wrong)


@pytest.mark.parametrize("size", [1, 2047, 2048, 2049, 2048 + 128, 4096, 10_715])
def test_chunks_contain_every_index_once_and_at_least_a_batch(size: int) -> None:
    parts = row_chunks(np.arange(size))
    assert np.concatenate(parts).tolist() == list(range(size))
    assert all(len(part) >= label_errors.BATCH_SIZE for part in parts) or len(parts) == 1
    assert max(map(len, parts)) < label_errors.CHUNK_ROWS + label_errors.BATCH_SIZE


def test_groups_of_classes_give_the_suspects_of_all_classes_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    classes = 41
    truth = rng.integers(0, classes, 3000).astype(np.int32)
    truth[:classes] = np.arange(classes)
    labels = np.where(rng.random(3000) < 0.1, rng.permutation(truth), truth)
    logits = rng.normal(0, 1, (3000, classes))
    logits[np.arange(3000), truth] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = [
        Row(str(n), "train", int(y), f"c{y:02d}", "", "", "", 0, n) for n, y in enumerate(labels)
    ]
    sizes: list[int] = []

    def predict(indices: NDArray[np.integer]) -> NDArray[np.float64]:
        sizes.append(len(indices))
        return probabilities[indices]

    expected = find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    assert len(expected) > 200
    for values, max_size in (
        (label_errors.MAX_PROBABILITIES, 3000),
        (classes * 100, 300),
        (1, 350),
    ):
        monkeypatch.setattr(label_errors, "MAX_PROBABILITIES", values)
        sizes.clear()
        found = [int(suspect.row.path) for suspect in find_label_suspects(rows, predict)]
        assert found == expected.tolist()
        assert max(sizes) <= max_size
        assert sum(sizes) == 3 * 3000
