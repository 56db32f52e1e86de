"""The test set: which pictures are held out, and that few change sides when the data changes."""

from collections import Counter

from tench.intake.splitting import hold_out

COUNTS = {"a": 50, "b": 20, "c": 8}
PICTURES = {f"{name}{n}": name for name, count in COUNTS.items() for n in range(count)}


def held_out(pictures: dict[str, str], fraction: float = 0.2, seed: int = 42) -> set[str]:
    """Which of these pictures, content to class, are held out."""
    contents = list(pictures)
    places = hold_out(list(pictures.values()), contents, fraction, seed)
    assert places == sorted(set(places))
    return {contents[place] for place in places}


def test_split_is_stratified_and_seeded() -> None:
    held = held_out(PICTURES)
    assert Counter(PICTURES[one] for one in held) == {"a": 10, "b": 4, "c": 2}
    assert held_out(dict(reversed(PICTURES.items()))) == held
    assert held_out(PICTURES, seed=43) != held


def test_one_picture_more_or_fewer_moves_at_most_one_other_of_its_class() -> None:
    before = held_out(PICTURES)
    moved = Counter()
    for number in range(40):
        after = held_out(PICTURES | {f"new{number}": "b"})
        changed = (after ^ before) - {f"new{number}"}
        assert {PICTURES[one] for one in changed} <= {"b"}
        moved[len(changed)] += 1
    for gone in [one for one, name in PICTURES.items() if name == "a"]:
        after = held_out({one: name for one, name in PICTURES.items() if one != gone})
        changed = (after ^ before) - {gone}
        assert {PICTURES[one] for one in changed} <= {"a"}
        moved[len(changed)] += 1
    assert set(moved) == {0, 1}


def test_pictures_of_equal_content_are_on_one_side() -> None:
    contents = [f"{n // 3}" for n in range(90)]  # thirty pictures, each three times
    classes = ["a", "b", "a"] * 30  # and under two labels
    for seed in range(20):
        held = hold_out(classes, contents, 0.3, seed)
        sides: dict[str, set[bool]] = {}
        for place, content in enumerate(contents):
            sides.setdefault(content, set()).add(place in held)
        assert all(len(side) == 1 for side in sides.values())
        assert 20 <= len(held) <= 34
