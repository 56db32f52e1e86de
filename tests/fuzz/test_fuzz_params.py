"""Any params.yaml: parameters that can be serialized, or an error with one line per mistake."""

import json
from pathlib import Path

import pytest
from fuzzing import Edit, apply_edits, check_printable_line, edit_lists, split_words
from hypothesis import given
from hypothesis import strategies as st
from pipeline_clones import CHECKOUT

from tench.core.errors import TenchError
from tench.core.params import load_params

pytestmark = pytest.mark.filterwarnings("ignore")  # of the YAML library, by the hundred
COMMITTED = (CHECKOUT / "params.yaml").read_bytes()
LINES = [line.split(" #")[0].rstrip() for line in COMMITTED.decode().splitlines()]
LINES = [line for line in LINES if line and not line.lstrip().startswith("#")]
LAUGHS = "".join(f", &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
DEEP = 500

# What YAML, Python or a message may choke on; each is one flow node, two blanks between.
ODD = (
    *split_words(
        "~  null  yes  no  on  ''  0  -0  -1  1_000  0o9  0x  1.  .5  1e999  -1e-999  .nan"
    ),
    *split_words(
        "2001-01-01  2001-99-99  2001-01-01 99:99:99  12:30:45  !!timestamp x  =  <<  -.inf  .inf"
    ),
    *split_words(r'"\0"  "\ud800"  "\U0010FFFF"  "\UFFFFFFFF"  "a\nb"  "\e[31m"  "\x85\L\P"  "\x"'),
    *split_words(
        "!!int x  !!int ''  !!float x  !!bool x  !!null x  !!binary é  !!str [a]  !x y  !<!> a"
    ),
    *split_words(
        "!!set {a, b}  !!omap [a: 1, a: 2]  !!pairs [a: 1]  !!map [a]  !!seq {a: b}  !!merge x"
    ),
    *split_words(
        "!!python/object/apply:os.system [echo]  !<tag:yaml.org,2002:python/name:os.abort> ''"
    ),
    *split_words(
        "&a [*a]  &a {a: *a}  &a {<<: *a}  &a {? *a : *a}  *nothing  {<<: [{a: 1}, {b: 2}]}"
    ),
    *split_words(
        "[a  a]  {a: b  }  - a  ? a  : a  |  >-  %a  @a  `a  #a  '  \"  ---  \t  a\tb  a: b"
    ),
    *split_words(
        "(a)  ../..  /  .  /dev/null  ${data.raw}  $(rm x)  a.weights.h5  auto  []  {}  [[]]"
    ),
    *("", "鱼", "\u202e", "\ufeff", "\u2028", "é" * 200, r'"\n.weights.h5"', r'"(a)\ud800"'),
    *("9" * 5000, "0x" + "f" * 5000, "1" + "0" * 400, "x" * 20_000, "&" + "a" * 5000),
    *("[" * DEEP, "[" * DEEP + "]" * DEEP, "{a: " * DEEP, "(a){99999999999999999999}"),
    *(f"({'(?:' * DEEP}{')' * DEEP})", f"[&l0 [a, a, a, a, a, a, a, a, a]{LAUGHS}]"),
)
USUAL = "0  1  2  7  42  160  0.2  0.5  1.0e-4  true  false  null  none  auto  a  (.)  data/sample"
KEYS = ("seed", "data", "raw", "classes", "image_size", "groups", "finetune", "backbone", "name")
SCALARS = st.sampled_from(ODD) | st.integers().map(str) | st.floats().map(str) | st.text(max_size=8)
NODES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda some: f"[{', '.join(some)}]")
        | st.lists(st.tuples(inner | st.sampled_from(KEYS), inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
        | st.tuples(st.sampled_from(["!!set", "!!omap", "!x", "&b", "?", "*b"]), inner).map(
            " ".join
        )
    ),
    max_leaves=8,
)
VALUES = st.integers(0, 3).flatmap(
    lambda n: NODES if n == 0 else st.sampled_from(split_words(USUAL))
)
HEADS = st.sampled_from(
    [""] * 8 + ["%YAML 1.1\n---\n", "%YAML 9.9\n---\n", "%TAG ! x\n---\n", "\ufeff"]
)
CODECS = st.sampled_from(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp500"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "params.yaml"


def check(file: Path, content: bytes) -> None:
    """Fail unless this content gives parameters that every stage can write down, or nothing but
    lines that name the file."""
    file.write_bytes(content)
    try:
        params = load_params(file)
    except TenchError as error:
        for line in str(error).split("\n       "):
            check_printable_line(line)
            assert line.startswith(f"{file}: ")
    else:
        json.dumps(params.model_dump(), ensure_ascii=False, allow_nan=False).encode()


def changed(lines: list[str], change: tuple[str, int, int, str]) -> list[str]:
    """The lines after a change of one."""
    kind, where, other, node = change
    where, other = where % len(lines), other % len(lines)
    line = lines[where]
    key = line.split(":")[0]
    match kind:
        case "value":
            some = [f"{key}: {node}"]
        case "key":
            some = [line.replace(key.strip(), node, 1)]
        case "below":
            some = [line, f"{' ' * (other % 4)}{node}"]
        case "twice":
            some = [line, lines[other]]
        case "tab":
            some = [line.replace("  ", "\t")]
        case _:
            some = []
    return [*lines[:where], *some, *lines[where + 1 :]] or [""]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(
            ["value", "value", "value", "value", "value", "key", "below", "twice", "tab", "drop"]
        ),
        *(st.integers(0, 99), st.integers(0, 99), VALUES),
    ),
    min_size=1,
    max_size=4,
)


@given(HEADS, NODES, CODECS)
def test_any_yaml(file: Path, head: str, node: str, codec: str) -> None:
    check(file, (head + node).encode(codec, "replace"))


@given(CHANGES, st.sampled_from(["\n", "\r\n", "\r"]), CODECS)
def test_any_lines(
    file: Path, changes: list[tuple[str, int, int, str]], end: str, codec: str
) -> None:
    lines = LINES
    for change in changes:
        lines = changed(lines, change)
    check(file, end.join(lines).encode(codec, "replace"))


@given(
    edit_lists(
        most=3, pieces=st.sampled_from([odd.encode("utf-8", "surrogatepass") for odd in ODD])
    )
)
def test_any_bytes(file: Path, changes: list[Edit]) -> None:
    check(file, apply_edits(COMMITTED, changes))
