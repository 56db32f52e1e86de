"""Whether fine-tuning is kept: for what validation clearly says, not for luck."""

import numpy as np
import pytest

from tench.training.keeping import clearly_better


@pytest.mark.parametrize(
    ("lost", "won", "better"),
    [(0, 2, False), (0, 3, True), (10, 10, False), (10, 17, False), (10, 19, True)],
)
def test_luck_is_not_taken_for_progress(lost: int, won: int, better: bool) -> None:
    before = np.array([True] * lost + [False] * won + [True] * 50 + [False] * 50)
    after = np.array([False] * lost + [True] * won + [True] * 50 + [False] * 50)
    assert clearly_better(before, after, np.zeros(len(before), np.int32)) == better


def test_a_rare_class_counts_more_where_classes_are_balanced() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    before = np.array([True] * 90 + [False] * 10)
    after = np.array([False] * 12 + [True] * 78 + [True] * 8 + [False] * 2)  # of 0 fewer, of 1 more
    assert not clearly_better(before, after, labels)
    assert clearly_better(before, after, labels, balanced=True)
