"""Which images become test and val, and that few change sides when the data changes."""

from collections import Counter
from pathlib import Path

import pytest

from tench.core.errors import TenchError
from tench.data.ingest.scan import SourceFile
from tench.data.split.assignment import assign_by_class, assign_splits

COUNTS = {"a": 50, "b": 20, "c": 8}
IMAGES = {f"{name}{n}": name for name, count in COUNTS.items() for n in range(count)}
TEST = {"test": 0.2}
BOTH = {"test": 0.2, "val": 0.25}


def sides_of(
    images: dict[str, str], shares: dict[str, float] = TEST, seed: int = 42
) -> dict[str, str]:
    """The side of each of these images, content to class, by content."""
    contents = list(images)
    sides = assign_by_class(list(images.values()), contents, shares, "rest", seed)
    return dict(zip(contents, sides, strict=True))


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The images of both that are on another side."""
    return [one for one in before.keys() & after.keys() if before[one] != after[one]]


def test_split_is_stratified_and_seeded() -> None:
    sides = sides_of(IMAGES)
    counts = Counter((IMAGES[one], side) for one, side in sides.items())
    assert {name: counts[name, "test"] for name in COUNTS} == {"a": 10, "b": 4, "c": 2}
    assert sides_of(dict(reversed(IMAGES.items()))) == sides
    assert sides_of(IMAGES, seed=43) != sides


def test_first_the_test_share_then_that_of_val() -> None:
    sides = sides_of(IMAGES, BOTH)
    counts = Counter((IMAGES[one], side) for one, side in sides.items())
    assert {name: counts[name, "test"] for name in COUNTS} == {"a": 10, "b": 4, "c": 2}
    assert {name: counts[name, "val"] for name in COUNTS} == {"a": 13, "b": 5, "c": 2}
    alone = sides_of(IMAGES)
    assert all((side == "test") == (alone[one] == "test") for one, side in sides.items())


@pytest.mark.parametrize("shares", [TEST, BOTH], ids=["one boundary", "two boundaries"])
def test_one_image_more_or_fewer_moves_at_most_one_other_across_a_boundary(
    shares: dict[str, float],
) -> None:
    before = sides_of(IMAGES, shares)
    most = 0
    line = ["test", "val", "rest"] if "val" in shares else ["test", "rest"]
    more = [({f"new{n}": "b"}, "b") for n in range(40)]
    fewer = [(one, name) for one, name in IMAGES.items() if name == "a"]
    for change, name in [*more, *fewer]:
        if isinstance(change, dict):
            after = sides_of(IMAGES | change, shares)
        else:
            left = {one: name for one, name in IMAGES.items() if one != change}
            after = sides_of(left, shares)
        moved = changed(before, after)
        assert {IMAGES[one] for one in moved} <= {name}
        crossed: Counter[int] = Counter()
        for one in moved:
            ends = sorted((line.index(before[one]), line.index(after[one])))
            crossed.update(range(*ends))
        assert max(crossed.values(), default=0) <= 1
        most = max(most, len(moved))
    assert most == len(shares)


@pytest.mark.parametrize("shares", [{"test": 0.3}, {"test": 0.3, "val": 0.3}])
def test_images_of_equal_content_are_on_one_side(shares: dict[str, float]) -> None:
    contents = [f"{n // 3}" for n in range(90)]  # thirty images, each three times
    classes = ["a", "b", "a"] * 30  # and under two labels
    for seed in range(20):
        sides = assign_by_class(classes, contents, shares, "rest", seed)
        assert len(set(zip(contents, sides, strict=True))) == 30
        counts = Counter(sides)
        assert all(20 <= counts[side] <= 34 for side in shares)


def sources(split: str, count: int, classes: str = "ab") -> list[SourceFile]:
    """`count` files of each class in a split."""
    return [
        SourceFile(split, name, Path(f"{split}{name}{n}")) for name in classes for n in range(count)
    ]


def chosen(
    those: list[SourceFile], test: float = 0.2, val: float = 0.2
) -> Counter[tuple[str, str]]:
    """The number of files per given and assigned split."""
    files = [str(source.file) for source in those]
    splits = assign_splits(those, files, {"test": test, "val": val}, 42)
    return Counter((source.split, split) for source, split in zip(those, splits, strict=True))


def test_what_is_cut_depends_on_what_is_there() -> None:
    train, val, test = (sources(split, 10) for split in ("train", "val", "test"))
    assert chosen(train + val) == {("train", "train"): 20, ("val", "val"): 16, ("val", "test"): 4}
    assert chosen(train + test) == {
        ("train", "train"): 16,
        ("train", "val"): 4,
        ("test", "test"): 20,
    }
    assert chosen(train + val + test) == {(side, side): 20 for side in ("train", "val", "test")}
    assert chosen(sources("", 10)) == {("", "train"): 12, ("", "val"): 4, ("", "test"): 4}


@pytest.mark.parametrize(
    ("those", "said"),
    [
        (
            sources("train", 9) + sources("val", 1),
            "class a: 1 readable images in val are too few for data.test_fraction = 0.2: test",
        ),
        (
            sources("train", 2) + sources("test", 9),
            "class a: 2 readable images in train are too few for data.val_fraction = 0.2: val",
        ),
        (
            sources("", 9) + sources("", 2, "c"),
            "class c: 2 readable images are too few for data.test_fraction = 0.2 and "
            "data.val_fraction = 0.2: test",
        ),
    ],
)
def test_class_too_small_for_its_shares(those: list[SourceFile], said: str) -> None:
    with pytest.raises(TenchError) as caught:
        chosen(those)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("different", [1, 2])
def test_class_whose_equal_images_share_one_split_is_not_too_small(different: int) -> None:
    those = sources("", 30)
    contents = [
        f"b{n % different}" if one.class_name == "b" else str(one.file)
        for n, one in enumerate(those)
    ]
    with pytest.raises(TenchError) as caught:
        assign_splits(those, contents, BOTH, 42)
    message = str(caught.value)
    assert message.startswith(f"class b: its 30 readable images show only {different} different")
    assert "too few" not in message
    assert "remove the copies" in message


def test_class_whose_images_are_in_another_class_is_not_too_small() -> None:
    those = sources("", 30) + sources("", 10, "c")
    in_train = assign_splits(those[:60], [str(one.file) for one in those[:60]], BOTH, 42)
    copies = [str(those[n].file) for n in range(30) if in_train[n] == "train"][:10]
    contents = [str(one.file) for one in those[:60]] + copies
    with pytest.raises(TenchError) as caught:
        assign_splits(those, contents, BOTH, 42)
    message = str(caught.value)
    assert message.startswith("class c: 10 of its 10 readable images are also in another class")
    assert "too few" not in message


def test_shares_that_leave_nothing() -> None:
    with pytest.raises(TenchError, match=r"data.test_fraction = 0.5 and data.val_fraction = 0.5"):
        chosen(sources("", 10), 0.5, 0.5)
    assert chosen(sources("train", 10) + sources("val", 10), 0.5, 0.5)["val", "test"] == 10
