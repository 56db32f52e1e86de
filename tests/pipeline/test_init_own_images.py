"""make adopt: the description of a folder, and the parameters it sets."""

from pathlib import Path

import pytest
from init_command import COMMITTED_PARAMS, PARAMS, adopt, draw, draw_classes, make_project
from pipeline_clones import CHECKOUT, run_command, set_params

from tench.core.params import load_params
from tench.data.ingest.layouts import LAYOUT_HELP
from tench.data.init.params_file import apply_choices
from tench.data.init.recipe import ParamChoice, recommend_params
from tench.data.init.summary import estimate_seconds, format_duration
from tench.data.init.survey import FolderSurvey, read_header, survey_folder


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the committed params.yaml, the current folder."""
    return make_project(tmp_path, monkeypatch)


def changed_lines() -> list[tuple[str, str]]:
    """The changed lines of params.yaml without comments: committed, current."""
    pairs = zip(COMMITTED_PARAMS.splitlines(), PARAMS.read_text().splitlines(), strict=True)
    lines = [(old, new) for old, new in pairs if old != new]
    for old, new in lines:
        assert old.partition("#")[2] == new.partition("#")[2]
    return [(old.split("#")[0].strip(), new.split("#")[0].strip()) for old, new in lines]


def test_class_folders_are_described_and_adopted() -> None:
    draw(*(f"data/flowers/rose/{n}.png" for n in range(12)))
    draw(*(f"data/flowers/n01440764/{n}.jpg" for n in range(6)))
    Path("data/flowers/rose/broken.jpg").write_text("no image")
    output = adopt("data/flowers")
    for part in (
        "class folders\n",
        "2: fish, rose\n",
        "18 (about 11 train, 4 val, 3 test)\n",
        "per class   6 to 12, median 9\n",
        "PNG 12, JPEG 6\n",
        "40 x 30 to 51 x 30, median ",
        "rose/broken.jpg: not an image\n",
        "Too many for `dvc repro` (data.max_rejected = 0.01). Repair",
        "class rose: 1 of 13 files\n",
        "data.raw                      data/imagenette -> data/flowers  your folder\n",
        "data.image_size               160 -> 224 ",
        "data.resize                   squash (unchanged) ",
        "Next: dvc repro    # about 1 min on ",
        "Undo: git checkout params.yaml\n",
    ):
        assert part in output
    assert "data.classes" not in output  # one of its folders is there
    assert changed_lines() == [
        ("raw: data/imagenette", "raw: data/flowers"),
        ("image_size: 160", "image_size: 224"),
        ("solver: adam", "solver: logistic"),
        ("learning_rate: 1.0e-4", "learning_rate: 0.0003"),
        ("epochs: 3", "epochs: 20"),
        ("min_steps_per_epoch: 1", "min_steps_per_epoch: 30"),
        ("patience: 0", "patience: 3"),
    ]


def test_names_of_other_classes_are_removed() -> None:
    draw_classes("flowers")
    assert "10 names -> none " in adopt("flowers")
    assert load_params().data.classes == {}
    comments = [line[line.index("#") :] for line in COMMITTED_PARAMS.splitlines() if "#" in line]
    text = PARAMS.read_text()
    assert [line[line.index("#") :] for line in text.splitlines() if "#" in line] == comments
    assert adopt("flowers").count(" -> ") == 0  # a second time
    assert PARAMS.read_text() == text


@pytest.mark.parametrize(
    ("folders", "layout", "splits"),
    [
        (["train", "val"], "train/ and val/", "10 train, 8 val, 2 test"),
        (["train", "valid", "test"], "train/ and valid/ and test/", "10 train, 10 val, 10 test"),
        (["training", "testing"], "training/ and testing/", "8 train, 2 val, 10 test"),
    ],
)
def test_split_folders(folders: list[str], layout: str, splits: str) -> None:
    for folder in folders:
        draw_classes(f"own/{folder}")
    output = adopt("own")
    assert f"layout      {layout}\n" in output
    assert f"(about {splits})\n" in output


def test_csv_file_with_groups() -> None:
    draw(*(f"own/{n}.png" for n in range(30)))
    lines = [f"{n}.png,{'xy'[n % 2]},p{n // 2}\n" for n in range(30)]
    Path("own/labels.csv").write_text("".join(["path,label,group\n", *lines]))
    output = adopt("own")
    assert "layout      a CSV file, labels.csv\n" in output
    assert "groups      15, each in one split only\n" in output
    assert "18 train, 6 val, 6 test)\n" in output
    assert load_params().data.classes == {}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (["own/1.png", "own/2.png"], "fewer than two class folders; found 2 files"),
        (["own/val/a/1.png", "own/val/b/1.png"], "has no folder train/; found val/"),
        ([], "no such folder"),
    ],
)
def test_an_unknown_layout_is_refused_with_the_known_ones(files: list[str], problem: str) -> None:
    draw(*files)
    assert adopt("own", code=1) == f"error: own: {problem}\n{LAYOUT_HELP}\n"
    assert PARAMS.read_text(encoding="utf-8") == COMMITTED_PARAMS


def test_too_few_and_no_readable_images() -> None:
    draw_classes("own", count=2)
    assert "error: class a: 2 readable images are too few" in adopt("own", code=1)
    for file in Path("own").rglob("*.png"):
        file.write_text("")
    assert "none of 4 files is an image; own/a/0.png: the file is empty" in adopt("own", code=1)
    assert PARAMS.read_text(encoding="utf-8") == COMMITTED_PARAMS


@pytest.mark.parametrize(
    "name",
    [
        "my flowers",
        "123",
        "null",
        "no: #1",
        "'a' \"b\"",
        "Blüten 鱼",
        "- x",
        "{y}",
        "1e3",
        "a b " * 40 + "c",
    ],
)
def test_folder_of_any_name(name: str) -> None:
    draw_classes(name)
    adopt(name)
    assert load_params().data.raw == name
    lines = PARAMS.read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("  raw: ") and "# " in line for line in lines) == 1
    assert load_params().data.image_size == 224


def test_wrong_parameters_are_reported() -> None:
    draw_classes("own")
    set_params(Path.cwd(), {"data.groups": "patient"})
    assert "error: params.yaml: data.groups = 'patient': must be null" in adopt("own", code=1)
    set_params(Path.cwd(), {"data.groups": r"(patient\d)"})
    assert "finds no group in a/0.png" in adopt("own", code=1)


def test_the_committed_file_round_trips() -> None:
    assert apply_choices(COMMITTED_PARAMS, []) == (COMMITTED_PARAMS, [])
    text, changes = apply_choices(COMMITTED_PARAMS, [ParamChoice("finetune.epochs", 20, "because")])
    assert text == "epochs: 20".join(COMMITTED_PARAMS.rsplit("epochs: 3", 1))
    assert [(one.key, one.old, one.new, one.reason) for one in changes] == [
        ("finetune.epochs", 3, 20, "because")
    ]


def test_only_the_header_is_read() -> None:
    draw("a.png", "b.jpg")
    content = Path("b.jpg").read_bytes()
    Path("b.jpg").write_bytes(content[:-20])  # the pixels are incomplete
    assert read_header(Path("a.png"))[:2] == ("PNG", (40, 30))
    assert read_header(Path("b.jpg"))[:2] == ("JPEG", (41, 30))


def test_recommended_parameters_exist() -> None:
    draw_classes("own")
    params = load_params()
    found = survey_folder(Path("own"), params.data, params.seed)
    text, changes = apply_choices(COMMITTED_PARAMS, recommend_params(found, "MobileNetV2"))
    assert [one.key for one in changes][:2] == ["data.image_size", "data.resize"]
    PARAMS.write_text(text)
    assert load_params().data.image_size == 224


def test_another_backbone_gets_its_own_image_size_and_layers() -> None:
    draw_classes("own")
    text = PARAMS.read_text().replace("name: MobileNetV2 ", "name: EfficientNetV2B3 ")
    PARAMS.write_text(text)
    adopt("own")
    params = load_params()
    assert (params.backbone.name, params.data.image_size) == ("EfficientNetV2B3", 300)
    assert (params.backbone.cache_at, params.finetune.fine_tune_at) == ("auto", 239)


def test_imbalanced_classes_are_balanced() -> None:
    draw(*(f"own/common/{n}.png" for n in range(40)), *(f"own/rare/{n}.png" for n in range(10)))
    output = adopt("own")
    assert "none -> balanced " in output
    assert "ratio of largest to smallest class: 4.0" in output
    assert load_params().class_weights == "balanced"


def test_estimated_duration_is_that_of_the_measured_run() -> None:
    found = FolderSurvey(
        layout="",
        labels=set(),
        classes={},
        splits={"train": 9469, "val": 3140, "test": 785},
        groups=0,
        formats={},
        sizes=[(224, 224)] * 13394,
        unreadable=[],
    )
    params = load_params()
    assert 180 < estimate_seconds(found, params, 2) < 240  # docs/speed.md has 212
    assert estimate_seconds(found, params, 1) > 300
    assert [format_duration(seconds) for seconds in (1, 212, 3599, 9000)] == [
        "1 min",
        "4 min",
        "60 min",
        "2.5 h",
    ]


def test_make_adopt_without_a_folder() -> None:
    made = run_command(CHECKOUT, "make", "--old-file=setup", "adopt", IMAGES="")
    assert made.returncode
    assert "error: which folder? make adopt IMAGES=../flowers\n" in made.stdout
