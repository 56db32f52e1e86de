"""Exact duplicates, near duplicates and similar images."""

from pathlib import Path

import numpy as np
import pytest
from feature_shards import make_row, write_features
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from tench.core.errors import TenchError
from tench.data.audit.duplicates import (
    DuplicatePair,
    find_exact_duplicates,
    find_leaks,
    find_near_duplicates,
    sort_worst_first,
)
from tench.data.audit.findings import check_leaks, summarize_audit
from tench.data.audit.thumbnails import make_thumbnail
from tench.data.index import Row


def make_thumbnails(rows: list[Row], images: dict[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Thumbnails of the images, a dict by path, in the order of the rows."""
    return np.stack([make_thumbnail(Image.fromarray(images[row.path])) for row in rows])


def test_only_pixels_confirm_a_near_duplicate(tmp_path: Path) -> None:
    base = np.eye(6, 12, dtype=np.float32)
    similar, near, other = (base[n] + x * base[5] for n, x in ((1, 0.2), (2, 0.8), (3, 0.8)))
    parts = [write_features(tmp_path / "features/train", base[:5])]
    parts.append(
        write_features(tmp_path / "features/val", np.stack([similar, near, other, base[4]]))
    )
    rows = [make_row(n, "train", f"p{n}") for n in range(5)]
    rows += [make_row(n, "val", pixels) for n, pixels in enumerate(("v0", "v1", "v2", "p4"))]
    rng = np.random.default_rng(0)
    images = {row.path: rng.integers(0, 256, (64, 64, 3), np.uint8) for row in rows}
    brighter = images[rows[2].path][:, ::-1] // 2 + 100  # mirrored, less contrast
    images[rows[6].path] = brighter
    thumbnails = make_thumbnails(rows, images)

    pairs = find_near_duplicates(rows, parts, thumbnails, 0.94)
    found = {(pair.first, pair.second): (pair.kind, pair.similarity) for pair in pairs}
    assert set(found) == {(rows[1], rows[5]), (rows[2], rows[6])}
    cosine = pytest.approx(1 / np.sqrt(1 + 0.2**2), abs=1e-5)
    assert found[rows[1], rows[5]] == ("similar", cosine)
    assert found[rows[2], rows[6]][0] == "near"
    assert [pair.second for pair in find_leaks(pairs)] == [rows[6]]
    strict = find_near_duplicates(rows, parts, thumbnails, 0.99)
    assert [(pair.first, pair.second) for pair in strict] == [(rows[2], rows[6])]


def test_scanned_digits_are_similar_but_no_near_duplicates(tmp_path: Path) -> None:
    # 1,797 very uniform images of 8 x 8 pixels. The pixels serve as features, shifted so that all
    # vectors point in nearly the same direction.
    scans = load_digits().images.astype(np.float32)
    order = np.random.default_rng(0).permutation(len(scans))
    splits = {"train": order[:1400], "val": order[1400:1700], "test": order[1700:]}
    rows = [make_row(int(n), split) for split, indices in splits.items() for n in indices]
    images = {
        row.path: np.asarray(
            Image.fromarray((scans[int(Path(row.path).stem)] * 15.9).astype(np.uint8))
            .resize((64, 64), Image.Resampling.BICUBIC)
            .convert("RGB")
        )
        for row in rows
    }
    originals = dict(zip((r for r in rows if r.split == "test"), rows, strict=False))
    for copy, original in list(originals.items())[:5]:  # brighter copies of training images
        images[copy.path] = (images[original.path] * 0.9 + 20).astype(np.uint8)
        scans[int(Path(copy.path).stem)] = scans[int(Path(original.path).stem)]
    parts = [
        write_features(tmp_path / "features" / split, scans[indices].reshape(-1, 64) + 10)
        for split, indices in splits.items()
    ]
    pairs = find_near_duplicates(rows, parts, make_thumbnails(rows, images), 0.94)
    assert sum(pair.kind == "similar" for pair in pairs) > 1000
    assert {pair.second for pair in find_leaks(pairs)} == set(list(originals)[:5])


def test_exact_duplicates_have_equal_pixels() -> None:
    rows = [make_row(0, "train", "x"), make_row(1, "train", "y"), make_row(2, "train", "x")]
    rows += [make_row(3, "val", "x"), make_row(4, "test", "x")]
    found = {
        (pair.first.path, pair.second.path): pair.is_across_splits
        for pair in find_exact_duplicates(rows)
    }
    assert found == {
        ("train/c0/0.webp", "train/c0/2.webp"): False,
        ("train/c0/0.webp", "val/c0/3.webp"): True,
        ("train/c0/0.webp", "test/c0/4.webp"): True,
        ("val/c0/3.webp", "test/c0/4.webp"): True,
    }


def test_leaks_come_first_and_too_many_are_an_error() -> None:
    rows = [make_row(0, "train", "x"), make_row(1, "train", "x"), make_row(2, "test", "x")]
    pairs = sort_worst_first(find_exact_duplicates(rows))
    assert [pair.is_across_splits for pair in pairs] == [True, False]
    check_leaks(pairs, 1)
    with pytest.raises(TenchError) as caught:
        check_leaks(pairs, 0)
    for part in ("audit.max_leaks = 0", "train/c0/0.jpg (train)", "test/c0/2.jpg (test)", "exact"):
        assert part in str(caught.value)


def test_leaks_are_counted_by_image() -> None:
    rows = [
        make_row(0, "train", "x"),
        make_row(1, "val", "x"),
        make_row(2, "test", "x"),
        make_row(3, "test", "y"),
    ]
    pairs = [*find_exact_duplicates(rows), DuplicatePair(rows[0], rows[3], "similar", 0.99)]
    assert sum(pair.is_across_splits for pair in pairs) == 4
    assert [pair.second for pair in find_leaks(pairs)] == [rows[2], rows[1]]
    counts = summarize_audit(rows, pairs, [], [])
    assert counts["leaks"] == 2
    assert counts["duplicates"]["exact"] == {"across_splits": 3, "within_a_split": 0}
    assert counts["duplicates"]["similar"] == {"across_splits": 1, "within_a_split": 0}
