"""Any CSV file and any tree of folders: a list of pictures, or one line that says what is wrong."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzzing import Edit, check_said, edited, edits
from hypothesis import given
from hypothesis import strategies as st

from tench.core.errors import TenchError
from tench.core.names import SPLITS, class_name, same_name
from tench.intake.preparing import first_path
from tench.intake.scan import Source, scan
from tench.intake.splitting import choose_sides

RAW = Path("raw")
FILES = (
    "p1/1.jpg",
    "p1/2.jpg",
    "p2/1.jpg",
    "p2/é.jpg",
    "p3/a b,c.jpg",
    "p3/x.webp/1.jpg",
    "=p.jpg",
)
TABLE = RAW / "labels.csv"

NAMES = st.sampled_from(
    [
        *(
            "train",
            "val",
            "valid",
            "test",
            "Train",
            "TEST",
            "a",
            "b",
            "A",
            "rose",
            "1.jpg",
            "x.webp",
        ),
        *(
            "é",
            "e\u0301",
            "鱼",
            "می‌خواهم",
            "two words",
            "a,b",
            "'",
            '"',
            "=1",
            "-b",
            "@",
            "\\",
            "x\\y",
        ),
        *(
            ".hidden",
            ".made-by-tench",
            "Thumbs.db",
            "__MACOSX",
            "labels.csv",
            "b.CSV",
            " a",
            "a ",
            "~",
        ),
        *(
            "a\nb",
            "a\tb",
            "\x1b[31m",
            "\u2028",
            "\u202e",
            "\udcff",
            "x" * 251,
            "é" * 127,
            "x" * 255,
        ),
    ]
) | st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=4
)
CLASSES = st.sampled_from([{}, {"a": "b"}, {"a": "zander", "b": "bream"}, {"=1": "one", "x": "a"}])
GROUPS = st.sampled_from(
    [None, None, "(.)", "(x*)", "^([^/]+)/", r"(\d)", "(?i)(A|b)", "(\u00e9)?"]
)
KINDS = st.sampled_from(
    ["file"] * 12 + ["table", "folder", "link", "linked folder", "loop", "nothing", "pipe"]
)
NODES = st.lists(st.tuples(KINDS, st.lists(NAMES, min_size=1, max_size=4)), max_size=12)

CELLS = (
    st.sampled_from(FILES)
    | st.sampled_from(
        ["path", "label", "split", "group", "train", "val", "test", "dev", "x", "y", "=1"]
    )
    | st.sampled_from(
        ["", " ", ".", "..", "p1", "/etc/passwd", "../raw/p1/1.jpg", "./p1//1.jpg", "p1\\1.jpg"]
    )
    | st.sampled_from(
        ["x" * 300, "x/" * 3000, "x" * 5000, "loop/x", "p1/1.jpg/x", "~", "\ufeff", "\0", "\u202e"]
    )
    | st.sampled_from(['"a"', '"a\nb"', '"', 'a"b', '""', "a\rb", "a\tb", "\x85", "é", "e\u0301"])
    | st.text(max_size=5)
)
HEADERS = st.sampled_from(
    ["path,label", "path,label,split", "label,path,group,split", "path;label", "x"]
)
LINES = st.lists(
    st.tuples(st.sampled_from(FILES), st.sampled_from("xy"), CELLS, CELLS), max_size=8
) | st.lists(st.lists(CELLS, max_size=5), max_size=8)
CODECS = st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "utf-16", "latin-1", "cp500"])


@pytest.fixture(autouse=True, scope="module")
def raw_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """RAW with FILES, below the current directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("fuzz"))
        for name in FILES:
            (RAW / name).parent.mkdir(parents=True, exist_ok=True)
            (RAW / name).touch()
        (RAW / "loop").symlink_to("loop")
        yield


def check(raw: Path, names: dict[str, str], groups: str | None) -> None:
    """Fail unless a folder gives pictures of classes with names, each with a place of its own and
    on a side of the split, or an error of one line."""
    try:
        sources = scan(raw, names, groups)
        check_sources(sources)
        shown = [str(source.file) for source in sources]
        sides = choose_sides(sources, shown, {"val": 0.3, "test": 0.3}, 42)
    except TenchError as error:
        check_said(error)
    else:
        assert set(sides) <= set(SPLITS)


def check_sources(sources: list[Source]) -> None:
    """Fail unless pictures have classes with names, and each a place of its own."""
    assert all(source.file.is_file() for source in sources)
    assert len({class_name(source.class_name) for source in sources}) > 1
    places = {same_name(first_path(source)) for source in sources}
    assert len(places) == len(sources)


def add(kind: str, path: Path) -> None:
    """Make what lies at a path, if the file system lets it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(Path(FILES[0]).resolve())
        case "linked folder":
            path.symlink_to(path.parent.resolve())
        case "loop":
            path.symlink_to(path.name)
        case "nothing":
            path.symlink_to("not\nthere")
        case "pipe":
            os.mkfifo(path)
        case "table":
            path.write_text("path,label\n", encoding="utf-8")
        case _:
            path.touch()


@given(NODES, st.sampled_from(["", "train", "class"]), CLASSES, GROUPS)
def test_any_tree(
    nodes: list[tuple[str, list[str]]], usual: str, names: dict[str, str], groups: str | None
) -> None:
    raw = Path("tree")
    sides = {"": [], "train": ["train", "val"], "class": ["."]}[usual]
    paths = [
        ("file", [side, name, f"{n}.jpg"]) for side in sides for name in "ab" for n in range(3)
    ]
    try:
        for kind, parts in [("folder", ["."]), *paths, *nodes]:
            try:
                add(kind, raw.joinpath(*parts))
            except OSError:  # there is such a file already, or no file may be called so
                continue
        check(raw, names, groups)
    finally:
        shutil.rmtree(raw, ignore_errors=True)


@given(HEADERS | CELLS, LINES, st.sampled_from(["\n", "\r\n", "\r"]), CODECS, GROUPS)
def test_any_csv_file(
    head: str, lines: list[list[str]], end: str, codec: str, groups: str | None
) -> None:
    text = end.join([head, *(",".join(cells[: head.count(",") + 1]) for cells in lines)])
    TABLE.write_bytes(text.encode(codec, "replace"))
    check(RAW, {}, groups)


@given(edits())
def test_any_bytes(changes: list[Edit]) -> None:
    rows = [f"{path},{'xy'[n % 2]},train,g{n}" for n, path in enumerate(FILES) if "," not in path]
    TABLE.write_bytes(edited("\n".join(["path,label,split,group", *rows]).encode(), changes))
    check(RAW, {}, None)
