"""prepare: from any raw folder to a complete index, or to one clear error."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path, PurePath

import numpy as np
import pytest
from PIL import Image
from small_images import (
    RAW_FOLDER,
    list_prepared_paths,
    prepare_and_split,
    read_rejected,
    write_prepared_image,
    write_small_images,
)

from stages import prepare as prepare_stage
from stages import split as split_stage
from tench.core.errors import TenchError
from tench.core.params import Data
from tench.core.paths import PREPARED, PREPARED_INDEX
from tench.data.index import (
    Row,
    class_names,
    is_imagenet_name,
    read_index,
    row_labels,
    rows_in_split,
)
from tench.data.ingest.scan import SourceFile
from tench.data.prepare.prepare_images import check_rejected
from tench.data.split.overview import MAX_CLASSES_SHOWN, contact_sheet
from tench.data.store.prepared_images import read_prepared

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """prepare reads and writes below the current directory."""
    monkeypatch.chdir(tmp_path)


def draw_class(folder: str, train: int = 10, val: int = 10) -> None:
    """Write a class folder of train/ and of val/."""
    write_small_images(*(f"train/{folder}/t{n}.png" for n in range(train)))
    write_small_images(*(f"val/{folder}/v{n}.png" for n in range(val)))


def spoil(pattern: str) -> None:
    """Make the files below RAW that match the pattern unreadable."""
    for file in RAW_FOLDER.glob(pattern):
        file.write_text("no image")


def settings(
    classes: dict[str, str] | None = None, fraction: float = 0.2, max_rejected: float = 0.01
) -> Data:
    """Parameters for RAW."""
    return Data(
        raw=str(RAW_FOLDER),
        classes=classes,
        image_size=32,
        resize="squash",
        val_fraction=0.2,
        test_fraction=fraction,
        max_rejected=max_rejected,
    )


def error(data: Data | None = None) -> str:
    """The error of prepare for RAW: one line."""
    with pytest.raises(TenchError) as caught:
        prepare_and_split(data or settings())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_index_holds_every_image_once() -> None:
    draw_class("a", 7, 10)
    draw_class("b", 8, 20)
    rows = prepare_and_split(settings({"a": "zander", "b": "bream"}))
    assert not read_rejected()
    counts = Counter((row.split, row.class_name) for row in rows)
    assert counts == {
        ("train", "zander"): 7,
        ("val", "zander"): 8,
        ("test", "zander"): 2,
        ("train", "bream"): 8,
        ("val", "bream"): 16,
        ("test", "bream"): 4,
    }
    assert [row.split for row in rows] == ["train"] * 15 + ["val"] * 24 + ["test"] * 6
    assert sorted(row.path for row in rows) == sorted(list_prepared_paths())
    sources = {file.relative_to(RAW_FOLDER).as_posix() for file in RAW_FOLDER.rglob("*.png")}
    assert Counter(row.source for row in rows) == Counter(sources)
    for row in rows:
        side = "train" if row.split == "train" else "val"
        assert row.path.startswith(f"{side}/{row.class_name}/000.zip/")
        assert row.source.startswith(f"{side}/")
        assert read_prepared(row).shape == (32, 32, 3)


def test_labels_follow_the_sorted_class_names() -> None:
    draw_class("n1")
    draw_class("n2")
    draw_class("n3")
    rows = prepare_and_split(settings({"n1": "zander", "n2": "bream"}))
    assert class_names(rows) == ["bream", "n3", "zander"]
    assert {(row.source.split("/")[1], row.label) for row in rows} == {
        ("n1", 2),
        ("n2", 0),
        ("n3", 1),
    }
    assert row_labels(rows).dtype == np.int32


def test_digest_is_that_of_the_decoded_pixels() -> None:
    draw_class("a")
    draw_class("b")
    with Image.open(RAW_FOLDER / "train/a/t0.png") as image:
        image.save(RAW_FOLDER / "train/a/same.bmp")
        content = b"RGB 12 9\n" + image.tobytes()
    rows = prepare_and_split(settings())
    digests = {row.source: row.sha256 for row in rows}
    assert digests["train/a/t0.png"] == hashlib.sha256(content).hexdigest()
    assert digests["train/a/same.bmp"] == digests["train/a/t0.png"]
    assert len(set(digests.values())) == len(rows) - 1


@pytest.mark.parametrize(
    ("file", "seen"),
    [
        ("n01440764/n01440764_10043.JPEG", True),
        ("n01440764/n01440764_10043.jpg", True),
        ("n01440764/ILSVRC2012_val_00000293.JPEG", False),
        ("n01440764/n01440764.JPEG", False),
        ("n01440764/tench_0001.jpg", False),
        ("n01440764/an01440764_1.JPEG", False),
        ("n01440764/n02102040_1.JPEG", False),
        ("n0144076/n0144076_1.JPEG", False),
        ("fish/n01440764_10043.JPEG", False),
        ("n01440764 fish/n01440764_10043.JPEG", False),
    ],
)
def test_seen_by_backbone_takes_the_folder_and_the_name(file: str, seen: bool) -> None:
    assert is_imagenet_name(PurePath("train", file)) is seen
    draw_class(PurePath(file).parts[0])
    draw_class("b")
    write_small_images(f"train/{file}")
    rows = prepare_and_split(settings())
    assert {row.source: row.seen for row in rows}[f"train/{file}"] == int(seen)
    assert sum(row.seen for row in rows) == int(seen)


def test_a_raw_folder_named_like_a_wordnet_id_is_no_class_of_it() -> None:
    assert not is_imagenet_name(PurePath("n01440764_1.JPEG"))
    assert is_imagenet_name(PurePath("train/n01440764/images/n01440764_0.JPEG"))  # Tiny ImageNet


def test_the_stage_writes_index_counts_and_examples() -> None:
    draw_class("a", 300)
    draw_class("b")
    spoil("train/a/t7.png")
    (RAW_FOLDER / "train/a/t8.png").write_bytes(b"")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("data/imagenette", "raw"), encoding="utf-8")
    shutil.copy(ROOT / "dvc.yaml", ".")
    shutil.copy(ROOT / "packages.yaml", ".")
    prepare_stage.main()
    split_stage.main()
    rows = read_index()
    assert len(rows_in_split(rows, "train")) == 308
    assert all(isinstance(row, Row) for row in rows)
    summary = json.loads(Path("metrics/split.json").read_text())
    assert (summary["classes"], summary["rejected"]) == (2, 2)
    assert summary["train"] == {
        "images": 308,
        "seen_by_backbone": 0,
        "per_class": {"a": 298, "b": 10},
    }
    assert summary["test"]["per_class"] == {"a": 2, "b": 2}
    assert [(one["source"], one["class_name"]) for one in read_rejected()] == [
        ("train/a/t7.png", "a"),
        ("train/a/t8.png", "a"),
    ]
    assert read_rejected()[1]["reason"] == "the file is empty"
    assert "train/a/000.zip/t7.png.webp" not in list_prepared_paths()
    with Image.open("metrics/examples.jpg") as sheet:
        assert sheet.width > 400


def test_more_classes_than_a_sheet_shows() -> None:
    write_small_images("train/a/t.png")
    draw_class("x", 1, 2)
    rows = [
        Row(f"{n}.zip/a.webp", "train", n, f"class {n:04d}", "", "", "", 0, n) for n in range(2_000)
    ]
    for row in rows[:MAX_CLASSES_SHOWN]:
        write_prepared_image(Image.new("RGB", (32, 32), (row.label, 0, 0)), PREPARED / row.path)
    sheet = contact_sheet(rows, PREPARED)
    assert sheet.height < 65_500
    sheet.save("sheet.jpg")  # which a JPEG of all would be too large for


def test_index_does_not_depend_on_the_hash_seed() -> None:
    draw_class("a")
    draw_class("b")
    draw_class("c")
    where = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "12345", "PYTHONDONTWRITEBYTECODE": "1"}
    program = (
        "import sys; from pathlib import Path; from stages.prepare import prepare_dataset;"
        "from tench.core.params import Data; data = Data.model_validate_json(sys.argv[1]);"
        "Path('other').mkdir(); prepare_dataset(data, Path('other'))"
    )
    data = settings().model_dump_json()
    subprocess.run([sys.executable, "-c", program, data], env=where, check=True)
    other = PREPARED_INDEX.read_bytes()
    shutil.rmtree(PREPARED)
    prepare_and_split(settings())
    assert PREPARED_INDEX.read_bytes() == other


def test_names_with_blanks_and_unicode_are_unchanged() -> None:
    draw_class("sea fish")
    draw_class("鱼")
    # macOS puts U+202F into the names of screenshots
    names = [
        "two words.png",
        "Schlüssel 鱼 🐟.png",
        "at 3.04\u202fPM.png",
        "a,b\"c'.png",
        "no_suffix",
    ]
    write_small_images(*(f"train/sea fish/{name}" for name in names))
    rows = prepare_and_split(settings())
    assert {f"train/sea fish/{name}" for name in names} < {row.source for row in rows}


def test_too_many_unreadable_files_fail_and_are_listed() -> None:
    draw_class("a")
    draw_class("b")
    spoil("train/a/t3.png")
    said = error(settings({"a": "fish"}))
    assert "class fish: 1 of 20 files unreadable" in said
    assert "data.max_rejected = 0.01" in said
    assert f"{RAW_FOLDER / 'train/a/t3.png'}: not an image" in said
    assert str(PREPARED / "rejected.csv") in said
    assert [one["source"] for one in read_rejected()] == ["train/a/t3.png"]
    prepare_and_split(settings(max_rejected=0.05))
    assert len(read_rejected()) == 1


def test_share_of_unreadable_files_may_be_exactly_the_allowed_one() -> None:
    sources = [SourceFile("train", "a", Path(f"{n}.png")) for n in range(100)]
    rejected = [(source, "damaged") for source in sources[:29]]
    check_rejected(sources, rejected, 0.29)
    with pytest.raises(TenchError):
        check_rejected(sources, rejected, 0.28)


@pytest.mark.parametrize("pattern", ["*/a/*", "train/a/*", "val/a/*"])
def test_class_without_readable_images_fails(pattern: str) -> None:
    for name in ("a", "b", "c"):
        draw_class(name)
    spoil(pattern)
    assert "class a" in error(settings(max_rejected=1))


@pytest.mark.parametrize(("images", "fraction"), [(1, 0.2), (10, 0.99), (10, 0.001)])
def test_class_too_small_to_split(images: int, fraction: float) -> None:
    draw_class("a", val=images)
    draw_class("b", val=10)
    said = error(settings(fraction=fraction))
    assert said.startswith("class a: ")
    assert f"data.test_fraction = {fraction}" in said


def test_one_stem_may_have_two_extensions() -> None:
    draw_class("a")
    draw_class("b")
    write_small_images("train/a/t1.jpg", "train/a/t1.png.webp")
    rows = prepare_and_split(settings())
    assert len({row.path for row in rows}) == len(rows) == 42
