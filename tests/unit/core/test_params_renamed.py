"""Renamed parameters: an old key gets one error that names the new key."""

from pathlib import Path

import pytest
from pipeline_clones import REMOVE_KEY, set_params

from tench.core.errors import TenchError
from tench.core.params import RENAMED, load_params

COMMITTED = Path(__file__).parents[3] / "params.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the committed params.yaml."""
    copy = tmp_path / "params.yaml"
    copy.write_bytes(COMMITTED.read_bytes())
    return copy


def message(file: Path, key: str) -> str:
    """The error of load_params with a value for `key`."""
    set_params(file.parent, {key: 1})
    with pytest.raises(TenchError) as caught:
        load_params(file)
    return str(caught.value)


@pytest.mark.parametrize("old", RENAMED)
def test_renamed_key_is_the_one_error_and_names_the_new_key(file: Path, old: str) -> None:
    new = RENAMED[old]
    set_params(file.parent, {new: REMOVE_KEY})
    assert message(file, old) == f"{file}: {old} is now {new}; rename it"


def test_new_keys_exist_and_old_ones_do_not() -> None:
    params = load_params(COMMITTED).model_dump()
    for old, new in RENAMED.items():
        section, name = new.split(".")
        assert name in params[section]
        section, name = old.split(".")
        assert name not in params[section]


def test_other_problems_are_reported_beside_a_renamed_key(file: Path) -> None:
    old, new = next(iter(RENAMED.items()))
    set_params(file.parent, {new: REMOVE_KEY, "seed": REMOVE_KEY})
    lines = message(file, old).splitlines()
    assert [line.strip() for line in lines] == [
        f"{file}: seed: is missing",
        f"{file}: {old} is now {new}; rename it",
    ]
