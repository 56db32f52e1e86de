"""Contents of params.yaml that once raised, hung or broke a message, with and without DVC."""

from pathlib import Path

import pytest
from pipeline_clones import CHECKOUT
from test_fuzz_params import LAUGHS, check

from tench.core.errors import TenchError
from tench.core.params import load_params

COMMITTED = (CHECKOUT / "params.yaml").read_text(encoding="utf-8")
DEEP = 500
LIST = f"[&l0 [a, a, a, a, a, a, a, a, a]{LAUGHS}]"  # of nine to the ninth elements


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def load_error(file: Path, text: str) -> str:
    """The error of load_params for this text."""
    check(file, text.encode())
    with pytest.raises(TenchError) as caught:
        load_params(file)
    return str(caught.value)


@pytest.mark.parametrize(
    "node",
    [
        *("2001-99-99", "2001-01-01 99:99:99", "!!int x", "!!int ''", "!!float x", "!!bool x"),
        *("9" * 5000, "[" * DEEP, "{a: " * DEEP, "[" * DEEP + "]" * DEEP, "{? [[a]] : b}"),
    ],
)
def test_errors_of_the_yaml_library_are_reported(file: Path, node: str) -> None:
    said = load_error(file, COMMITTED.replace("seed: 42", f"seed: {node}"))
    assert said.startswith(f"{file}: not readable as YAML: ")
    assert "\n" not in said


def test_deep_blocks_are_reported(file: Path) -> None:
    assert "levels deep" in load_error(file, "".join(f"{' ' * depth}a:\n" for depth in range(DEEP)))


@pytest.mark.parametrize("key", ["seed: 42", "groups: null", "fine_tune_at: 130"])
def test_a_list_that_aliases_make_endless_is_not_written_out(file: Path, key: str) -> None:
    said = load_error(file, COMMITTED.replace(key, f"{key.partition(':')[0]}: {LIST}"))
    assert len(said) < 1000


@pytest.mark.parametrize("key", ["seed: 42", "max_leaks: 0", "fine_tune_at: 130"])
def test_integers_that_python_does_not_print_are_refused(file: Path, key: str) -> None:
    huge = "0x" + "f" * 9000
    message = load_error(file, COMMITTED.replace(key, f"{key.partition(':')[0]}: {huge}"))
    assert message == f"{file}: not readable as YAML: an integer of more than 1,000 characters"


@pytest.mark.parametrize("pattern", ["(a){99999999999999999999}", f"({'(?:' * DEEP}{')' * DEEP})"])
def test_patterns_that_python_does_not_compile(file: Path, pattern: str) -> None:
    said = load_error(file, COMMITTED.replace("groups: null", f"groups: '{pattern}'"))
    assert "one pair of parentheses" in said


@pytest.mark.parametrize("name", [r"a\0b", r"a\nb", r"a\e[31m", r"\u2028", r"\ud800"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("raw: data/imagenette", 'raw: "{}"'),
        ("groups: null", 'groups: "({})"'),
        ("weights: imagenet ", 'weights: "{}.weights.h5" '),
        ("fine_tune_at: 130", 'fine_tune_at: "{}"'),
    ],
)
def test_text_that_would_break_a_line(file: Path, old: str, new: str, name: str) -> None:
    said = load_error(file, COMMITTED.replace(old, new.format(name)))
    assert said.startswith(f"{file}: ")
    assert "\n" not in said


@pytest.mark.parametrize("key", [r"a\nb", r"a\e[31m", r"a\u2028b", "x" * 1000])
def test_key_that_would_break_a_line(file: Path, key: str) -> None:
    said = load_error(file, f'"{key}": 1\n{COMMITTED}')
    assert "unknown key" in said
    assert "\n" not in said
    assert len(said) < 1500


def test_a_folder_instead_of_the_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(TenchError, match="no such file"):
        load_params(file)
