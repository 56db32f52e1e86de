"""Both YAML loaders agree with DVC, and refuse hostile files quickly."""

import datetime
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from dvc.utils.serialize._yaml import dumps_yaml, parse_yaml
from hypothesis import given
from hypothesis import strategies as st
from pipeline_clones import CHECKOUT

from tench.core import yaml_files
from tench.core.errors import TenchError
from tench.core.paths import PACKAGES, PARAMS, PIPELINES
from tench.core.yaml_files import MAX_DEPTH, load_yaml, read_mapping
from tench.run import lock_yaml
from tench.run.dvc_files import stages_in
from tench.run.lock_yaml import read_lock

READERS = (read_mapping, read_lock)
SCALARS = """
1_000 0b101 0o17 0x1f -0x1f 010 +1 1__0 0 1:30 12345678901234
.5e1 .5e+1 1e-05 1e5 1. .5 1_0.5 -.inf .NaN 1.0e-4 1e1000
~ null Null no yes on true TRUE tRue '1' "1" 2001-01-01 0b "\\x1b[31m"
""".split()  # noqa: SIM905 - a table reads better than 36 quoted words
SCALARS += ["", "2001-01-01 10:00:00", "!!str 1", "!!int '3'", "!!float 1", "a b"]
LONG_INTEGERS = {
    "decimal": "1" * 5_000,
    "octal": "0o" + "7" * 9_000,
    "hexadecimal": "0x" + "f" * 9_000,
    "binary": "0b" + "1" * 20_000,
    "negative": "-0x" + "f" * 9_000,
    "underscores": "0x" + "f_" * 9_000,
    "tagged": f"!!int '0x{'f' * 9_000}'",
}
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, one in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{one}: &{one} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, one in zip("abcdefghi", "bcdefghij", strict=True)
)
HOSTILE = {
    "brackets": "a: " + "[" * 100_000,
    "braces": "a: " + "{a: " * 100_000,
    "closed brackets": "a: " + "[" * 100_000 + "]" * 100_000,
    "brackets between comments": "a: " + "[ # ]\n" * 50_000,
    "lists on a line": "a:\n  " + "- " * 100_000 + "x",
    "indented": "\n".join(f"{' ' * level}a:" for level in range(1_000)),
    "questions": "? " * 100_000 + "a",
    "aliases": BOMB,
    "merged": MERGED,
    "itself": "a: &a [*a]",
    "tagged": "a: !!python/object/apply:os.system [id]",
    "not a boolean": "a: !!bool x",
    "not a date": "a: 2001-99-99",
    "not a number": "a: !!int x",
    **{f"{name} integer": f"a: {text}" for name, text in LONG_INTEGERS.items()},
    "integer in a list": f"a: [1, {LONG_INTEGERS['hexadecimal']}]",
    "integer as a key": f"{LONG_INTEGERS['hexadecimal']}: 1",
    "open": "a: {",
    "binary": "\x00\x01\x02",
    "a list": "- a",
    "a word": "word",
    "huge": "# comment\n" * 2_000_000,
}


def by_dvc(text: str) -> Any:
    """The content of a YAML text, loaded by DVC."""
    return parse_yaml(text, "file")


@pytest.mark.parametrize("scalar", SCALARS)
def test_scalars_are_read_as_dvc_reads_them(scalar: str) -> None:
    expected = by_dvc(f"a: {scalar}\n")
    for text in (f"a: {scalar}\n", f"a: {scalar}\n".encode()):
        assert repr(load_yaml(text, "file")) == repr(expected)  # 1 is not 1.0, nor True
    assert repr(read_lock(f"a: {scalar}\n".encode(), "file")) == repr(expected)


def test_merge_keys_are_read_as_dvc_reads_them() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n"
    assert by_dvc(text)["b"] == {"x": 1, "y": 3}
    assert all(read(text.encode(), "file") == by_dvc(text) for read in READERS)


def test_duplicate_keys_are_refused_as_dvc_refuses_them() -> None:
    with pytest.raises(TenchError, match="duplicate key"):
        read_mapping(b"seed: 1\nseed: 2\n", "params.yaml")


@pytest.mark.parametrize(
    "name",
    [PARAMS, PACKAGES, *PIPELINES, *(one.with_suffix(".lock") for one in PIPELINES)],
    ids=str,
)
def test_the_files_of_the_project_are_read_as_dvc_reads_them(name: Any) -> None:
    text = CHECKOUT.joinpath(name).read_bytes()
    assert all(repr(read(text, name)) == repr(by_dvc(text.decode())) for read in READERS)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(SCALARS)
    | st.dates(min_value=datetime.date(1000, 1, 1)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab01~=<-: "), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text("ab01~=<-: ", min_size=1), VALUES))
def test_both_parsers_read_what_dvc_writes_alike(content: dict[str, Any]) -> None:
    text = dumps_yaml(content)
    try:
        expected = by_dvc(text)
    except Exception:  # text that DVC writes and cannot read itself
        return
    assert repr(read_lock(text.encode(), "dvc.lock")) == repr(expected)
    assert repr(read_mapping(text.encode(), "params.yaml")) == repr(expected)


@pytest.mark.parametrize("read", READERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_on_one_line_in_little_time(
    read: Callable[[bytes, object], Any], name: str
) -> None:
    text = HOSTILE[name].encode()
    begun = time.monotonic()
    with pytest.raises(TenchError) as caught:
        read(text, "file")
    assert time.monotonic() - begun < 5
    assert str(caught.value).startswith("file: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000


def test_a_process_survives_brackets_that_the_parser_in_c_does_not() -> None:
    code = (
        "import sys; from tench.run.lock_yaml import read_lock\n"
        "try: read_lock(b'[' * 1_000_000, 'dvc.lock')\n"
        "except Exception as error: print(error)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "levels deep" in ended.stdout


@pytest.mark.parametrize("read", READERS, ids=lambda one: one.__name__)
def test_files_at_the_bounds_are_read(read: Callable[[bytes, object], Any]) -> None:
    deep = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert read(deep.encode(), "file") == by_dvc(deep)
    with pytest.raises(TenchError, match="levels deep"):
        read(deep.replace("[", "[[").replace("]", "]]").encode(), "file")
    assert read(b"", "file") == {}
    assert (
        lock_yaml.MAX_BYTES > yaml_files.MAX_BYTES > 100 * CHECKOUT.joinpath(PARAMS).stat().st_size
    )


@pytest.mark.parametrize(
    "content",
    [
        {"stages": [1]},
        {"stages": {1: {}}},
        {"stages": {"a": None}},
        {"stages": {"a": {"deps": 1}}},
        {"stages": {"a": {"outs": [{"path": 1}]}}},
        {"stages": {"a": {"outs": [{"path": "a", "md5": ["b"]}]}}},
        {"stages": {"a": {"params": {"params.yaml": [1]}}}},
        {"stages": {"a": {"params": {"params.yaml": {1: 2}}}}},
    ],
    ids=str,
)
def test_entries_of_another_type_are_named(content: dict[str, Any]) -> None:
    with pytest.raises(TenchError, match=r"dvc.lock: stages.*must be a (mapping|list|string)"):
        stages_in(content, "dvc.lock")


@pytest.mark.parametrize("read", READERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", LONG_INTEGERS)
def test_long_integers_are_refused_with_the_limit(
    read: Callable[[bytes, object], Any], name: str
) -> None:
    with pytest.raises(TenchError) as caught:
        read(f"a: {LONG_INTEGERS[name]}\n".encode(), "params.yaml")
    message = "params.yaml: not readable as YAML: an integer of more than 1,000 characters"
    assert str(caught.value) == message


@pytest.mark.parametrize("read", READERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    "node", ["'{}'", '"{}"', "!!str {}", "|\n  {}\n"], ids=["single", "double", "tagged", "block"]
)
def test_long_text_of_digits_is_text(read: Callable[[bytes, object], Any], node: str) -> None:
    assert read(f"a: {node.format('1' * 5_000)}\n".encode(), "file")["a"].strip() == "1" * 5_000


@pytest.mark.parametrize("read", READERS, ids=lambda one: one.__name__)
def test_integers_at_the_limit_are_read(read: Callable[[bytes, object], Any]) -> None:
    text = "0x" + "f" * (yaml_files.MAX_INTEGER_CHARS - 2)
    value = read(f"a: {text}\n".encode(), "file")["a"]
    assert value == int(text, 16)
    assert str(value)  # Python can print it
