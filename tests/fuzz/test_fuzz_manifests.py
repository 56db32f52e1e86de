"""Any CSV file and any tree of folders: a list of images, or an error of one line."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzzing import Edit, apply_edits, check_error_message, edit_lists, split_words
from hypothesis import given
from hypothesis import strategies as st

from tench.core.errors import TenchError
from tench.core.names import SPLITS, normalize_name, validate_class_name
from tench.data.ingest.scan import SourceFile, scan_raw_folder
from tench.data.prepare.packing import plan_packs
from tench.data.prepare.prepare_images import packed_name
from tench.data.split.assignment import assign_splits

RAW = Path("raw")
FILES = tuple(
    split_words("p1/1.jpg  p1/2.jpg  p2/1.jpg  p2/é.jpg  p3/a,b.jpg  p3/x.webp/1.jpg  =p.jpg")
)
TABLE = RAW / "labels.csv"
SHARES = {"val": 0.3, "test": 0.3}

USUAL = split_words(
    "train  val  valid  test  Train  TEST  a  b  A  rose  1.jpg  2.jpg  x.webp  é  鱼  a,b  '  ~"
)
ODD = [
    *split_words(
        '=1  -b  @  \\  x\\y  "  .hidden  .made-by-tench  Thumbs.db  __MACOSX  labels.csv  b.CSV'
    ),
    *(" a", "a ", "two words", "می‌خواهم", "e\u0301", "x" * 251, "é" * 127, "x" * 255, "\u202e"),
    *("a\nb", "a\tb", "\x1b[31m", "\u2028", "\udcff"),
]
ANY_NAME = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=4
)
NAMES = st.integers(0, 19).flatmap(
    lambda n: (st.sampled_from(ODD) | ANY_NAME) if n == 0 else st.sampled_from(USUAL)
)
CLASSES = st.sampled_from([{}, {}, {"a": "b"}, {"a": "zander", "b": "bream"}, {"rose": "a"}])
GROUPS = st.sampled_from([None] * 4 + ["(.)", "(x*)", "^([^/]+)/", r"(\d)", "(?i)(A|b)", "(é)?"])
KINDS = st.sampled_from(
    ["file"] * 24 + ["table", "folder", "link", "linked folder", "loop", "nothing", "pipe"]
)
NODES = st.lists(st.tuples(KINDS, st.lists(NAMES, min_size=1, max_size=4)), max_size=8)

CELLS = (
    st.sampled_from(FILES)
    | st.sampled_from(
        split_words("path  label  split  group  train  val  test  dev  x  y  =1  p1  .  ..  1  鱼")
    )
    | st.sampled_from(["", " ", "/etc/passwd", "../raw/p1/1.jpg", "./p1//1.jpg", "p1\\1.jpg", "~"])
    | st.sampled_from(["x" * 300, "x/" * 3000, "loop/x", "p1/1.jpg/x", "\ufeff", "\0", "\u202e"])
    | st.sampled_from(['"a"', '"a\nb"', '"', 'a"b', '""', "a\rb", "a\tb", "\x85", "e\u0301"])
    | st.text(max_size=5)
)
ROWS = st.tuples(
    st.sampled_from(FILES[:4]), st.sampled_from("xy"), st.sampled_from(["train", "val"])
)
LINES = st.tuples(
    st.lists(ROWS.map(list), min_size=3, max_size=4, unique_by=lambda row: row[0]),
    st.just([]) | st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=2),
).map(lambda both: both[0] + both[1])
HEADERS = st.sampled_from(
    ["path,label,split"] * 6 + ["path,label,group", "split,path", "path;label"]
)
CODECS = st.sampled_from(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "latin-1", "cp500"])
PIECES = st.sampled_from(
    ['"', ",", "\n", "\r", "\0", "é", "x", "/", "p1/1.jpg", "train", "val", "\ufeff"]
)


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
    """Check that a folder gives images with names, paths and splits, or an error of one line."""
    try:
        sources = scan_raw_folder(raw, names, groups)
        check_sources(sources)
        shown = [str(source.file) for source in sources]
        sides = assign_splits(sources, shown, SHARES, 42)
    except TenchError as error:
        check_error_message(error)
    else:
        assert set(sides) <= set(SPLITS)


def check_sources(sources: list[SourceFile]) -> None:
    """Fail unless images have classes with names, and each a place of its own."""
    assert all(source.file.is_file() for source in sources)
    assert len({validate_class_name(source.class_name) for source in sources}) > 1
    places = {
        normalize_name(f"{pack.path}/{packed_name(source)}")
        for pack in plan_packs(sources)
        for source in pack.sources
    }
    assert len(places) == len(sources)


def add(kind: str, path: Path) -> None:
    """Make what lies at a path, if the file system lets it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to((RAW / FILES[0]).resolve())
        case "linked folder":
            path.symlink_to(path.parent.resolve())
        case "loop":
            path.symlink_to(path.name)
        case "nothing":
            path.symlink_to("not\nthere")
        case "pipe":
            os.mkfifo(path)
        case "table":
            with path.open("x", encoding="utf-8") as table:  # not into a pipe that lies there
                table.write("path,label\n")
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


@given(HEADERS, LINES, st.sampled_from(["\n", "\r\n", "\r"]), CODECS, GROUPS)
def test_any_csv_file(
    head: str, lines: list[list[str]], end: str, codec: str, groups: str | None
) -> None:
    text = end.join([head, *map(",".join, lines)])
    TABLE.write_bytes(text.encode(codec, "replace"))
    check(RAW, {}, groups)


@given(edit_lists(most=3, pieces=PIECES.map(str.encode)))
def test_any_bytes(changes: list[Edit]) -> None:
    paths = [path for path in FILES if "," not in path]
    rows = [f"{path},{'xy'[n % 2]},{('train', 'val')[n // 3]},g{n}" for n, path in enumerate(paths)]
    TABLE.write_bytes(apply_edits("\n".join(["path,label,split,group", *rows]).encode(), changes))
    check(RAW, {}, None)
