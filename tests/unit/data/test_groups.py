"""Groups: named by a pattern, never on two sides, and a share of every class all the same."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tench.core.errors import TenchError
from tench.data.ingest.groups import check_group_splits, extract_group
from tench.data.ingest.scan import SourceFile
from tench.data.split.assignment import assign_by_group, assign_splits

BOTH = {"test": 0.2, "val": 0.2}
RAW = Path("raw")


def table(
    class_of: list[str], groups: list[str], contents: list[str] | None = None, seed: int = 42
) -> tuple[dict[str, str], Counter[tuple[str, str]]]:
    """The split of each group, and the number of images per class and split."""
    shown = contents or [str(n) for n in range(len(groups))]
    sides = assign_by_group(class_of, groups, shown, BOTH, "train", seed)
    of_group = dict(zip(groups, sides, strict=True))
    assert [of_group[group] for group in groups] == sides
    return of_group, Counter(zip(class_of, sides, strict=True))


@pytest.mark.parametrize(
    ("pattern", "path", "group"),
    [
        (r"(patient\d+)", "train/ill/patient7_2.png", "patient7"),
        (r"^[^/]+/[^/]+/([^/]+)/", "train/ill/scene 鱼/2.png", "scene 鱼"),
        (r"_(\d{8})_", "a_20240501_b_20240502_.png", "20240501"),
    ],
)
def test_group_is_what_the_pattern_captures(pattern: str, path: str, group: str) -> None:
    assert extract_group(pattern, RAW / path, RAW) == group


@pytest.mark.parametrize("pattern", [r"(patient\d+)", r"(x*)", r"p(x)?"])
def test_image_without_a_group(pattern: str) -> None:
    with pytest.raises(TenchError) as caught:
        extract_group(pattern, RAW / "ill/p.png", RAW)
    said = str(caught.value)
    assert said.startswith(f"params.yaml: data.groups = {pattern!r} finds no group in ill/p.png")


def test_pattern_does_not_see_where_the_folder_lies() -> None:
    with pytest.raises(TenchError):
        extract_group("(raw)", RAW / "ill/1.png", RAW)


def test_group_on_two_sides_is_reported_with_a_file_of_each() -> None:
    images = [("p1", "train", Path("a")), ("p2", "val", Path("b")), ("p1", "val", Path("c"))]
    check_group_splits(images[:2])
    check_group_splits([("", side, file) for _, side, file in images])  # no groups
    with pytest.raises(TenchError) as caught:
        check_group_splits(images)
    assert str(caught.value).startswith(
        "the group 'p1' is in two splits: a is in train, c in val; "
    )


def test_shares_are_near_where_groups_are_small() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{rng.integers(60)}" for _ in range(600)]
    class_of = [("a", "b", "c")[rng.integers(3)] for _ in groups]  # a group may have all of them
    total = Counter(class_of)
    for seed in range(10):
        _, counts = table(class_of, groups, seed=seed)
        for name in total:
            assert 0.14 <= counts[name, "test"] / total[name] <= 0.26
            assert 0.14 <= counts[name, "val"] / total[name] <= 0.26


@pytest.mark.parametrize("sizes", [(60, 20, 20), (45, 45, 10), (1, 1, 98), (50, 50, 50), (9, 1, 1)])
def test_three_groups_are_enough_whatever_their_sizes(sizes: tuple[int, ...]) -> None:
    groups = [f"{name}{n}" for name in "ab" for n, size in enumerate(sizes) for _ in range(size)]
    class_of = [group[0] for group in groups]
    for seed in range(20):
        _, counts = table(class_of, groups, seed=seed)
        assert len(counts) == 6
        assert all(counts[name, "test"] <= sorted(sizes)[1] for name in "ab")


def test_order_of_the_images_does_not_matter_and_the_seed_does() -> None:
    groups = [f"g{n // 3}" for n in range(90)]
    class_of = [("a", "b")[n // 3 % 2] for n in range(90)]
    shown = [str(n) for n in range(90)]
    sides, _ = table(class_of, groups, shown)
    assert table(class_of[::-1], groups[::-1], shown[::-1])[0] == sides
    assert table(class_of, groups, shown, seed=43)[0] != sides


def test_a_group_more_moves_few_others() -> None:
    groups = [f"g{n // 3}" for n in range(300)]
    class_of = ["a" if n % 2 else "b" for n in range(300)]
    before, _ = table(class_of, groups)
    moved = []
    for n in range(20):
        after, _ = table([*class_of, "a", "b"], [*groups, f"new{n}", f"new{n}"])
        moved.append(sum(before[group] != after[group] for group in before))
    assert max(moved) <= 10
    assert np.median(moved) <= 2


def test_groups_that_share_a_content_stay_together() -> None:
    groups = [f"g{n // 2}" for n in range(80)]
    class_of = [("a", "b")[n // 2 % 2] for n in range(80)]
    shown = [str(n) for n in range(80)]
    chain = [0, 3, 4, 7, 8, 11]  # of g0 and g1, of g2 and g3, of g4 and g5
    for one, other in zip(chain[::2], chain[1::2], strict=True):
        shown[other] = shown[one]
    shown[5] = shown[2] = "both"  # of g1 and g2
    for seed in range(20):
        sides, _ = table(class_of, groups, shown, seed)
        assert len({sides[f"g{n}"] for n in range(4)}) == 1
        assert sides["g4"] == sides["g5"]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_groups_of_a_class(count: int) -> None:
    those = [SourceFile("", "a", Path(str(n)), f"a{n}") for n in range(10)]
    those += [SourceFile("", "b", Path(f"b{n}"), f"b{n % count}") for n in range(10)]
    with pytest.raises(TenchError) as caught:
        assign_splits(those, [str(one.file) for one in those], BOTH, 42)
    assert str(caught.value).startswith(
        f"class b: {count} groups (10 readable images) are too few for data.test_fraction = 0.2 "
    )


def test_groups_that_all_share_an_image_are_too_few() -> None:
    those = [
        SourceFile("", name, Path(f"{name}{n}"), f"{name}{n // 2}")
        for name in "ab"
        for n in range(20)
    ]
    black = {f"b{n}" for n in range(0, 20, 2)}  # the first image of every group of class b
    contents = ["black" if str(one.file) in black else str(one.file) for one in those]
    with pytest.raises(TenchError, match=r"^class b: 10 groups \(20 .*\), 1 once those that share"):
        assign_splits(those, contents, BOTH, 42)


def test_groups_are_held_out_of_val_alone() -> None:
    those = [SourceFile("train", name, Path(f"{name}t"), "t") for name in "ab"]
    those += [
        SourceFile("val", name, Path(f"{name}{n}"), f"{n}") for name in "ab" for n in range(10)
    ]
    sides = assign_splits(those, [str(one.file) for one in those], BOTH, 42)
    assert Counter(sides) == {"train": 2, "val": 16, "test": 4}
    held = {one.group for one, side in zip(those, sides, strict=True) if side == "test"}
    assert len(held) == 2
