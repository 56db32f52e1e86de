"""adopt: what it says of a folder, and what it writes into params.yaml and what it leaves."""

import io
import runpy
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from PIL import Image
from pipeline_clones import CHECKOUT, read_pipeline_stages, run_command, run_git, set_params

from tench.core.params import load_params
from tench.data.ingest.layouts import LAYOUT_HELP
from tench.data.init.params_file import apply_choices
from tench.data.init.recipe import ParamChoice, recommend_params
from tench.data.init.summary import estimate_seconds, format_duration
from tench.data.init.survey import FolderSurvey, read_header, survey_folder

COMMITTED = (CHECKOUT / "params.yaml").read_text(encoding="utf-8")
PARAMS = Path("params.yaml")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the committed params.yaml, the current folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.copy(CHECKOUT / "params.yaml", PARAMS)
    return folder


def draw(*files: str) -> None:
    """Write a small image for each path, of the format of its suffix."""
    for number, name in enumerate(files):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + number, 30), (number % 256, 0, 0)).save(name)


def draw_classes(folder: str, classes: str = "ab", count: int = 5) -> None:
    """Write class folders into a folder."""
    draw(*(f"{folder}/{name}/{n}.png" for name in classes for n in range(count)))


def adopt(*arguments: str, code: int = 0) -> str:
    """What `python -m tench.data.init` prints, here, in this process: another takes a second."""
    said, ended = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.setattr(sys, "argv", ["tench.data.init", *arguments])
        try:
            runpy.run_module("tench.data.init", run_name="__main__")
        except SystemExit as end:
            if isinstance(end.code, str):  # which Python prints, and exits with 1
                print(end.code)
            ended = end.code if isinstance(end.code, int) else int(end.code is not None)
    assert ended == code, said.getvalue()
    return said.getvalue()


def differing() -> list[tuple[str, str]]:
    """The lines of params.yaml that are not as committed, without their comments, both ways."""
    pairs = zip(COMMITTED.splitlines(), PARAMS.read_text().splitlines(), strict=True)
    lines = [(old, new) for old, new in pairs if old != new]
    for old, new in lines:
        assert old.partition("#")[2] == new.partition("#")[2]
    return [(old.split("#")[0].strip(), new.split("#")[0].strip()) for old, new in lines]


def test_class_folders_alone_are_described_and_adopted() -> None:
    draw(*(f"data/flowers/rose/{n}.png" for n in range(12)))
    draw(*(f"data/flowers/n01440764/{n}.jpg" for n in range(6)))
    Path("data/flowers/rose/broken.jpg").write_text("no image")
    said = adopt("data/flowers")
    for part in (
        "class folders\n",
        "2: fish, rose\n",
        "18: about 11 train, 4 val, 3 test\n",
        "6 to 12, median 9; the largest has 2.0 times as many as the smallest\n",
        "PNG 12, JPEG 6\n",
        "40 x 30 to 51 x 30, median ",
        "rose/broken.jpg: not an image\n",
        "class rose has 1 of 13, more than data.max_rejected = 0.01 allows",
        "data.raw: data/imagenette -> data/flowers ",
        "data.image_size: 160 -> 224 ",
        "data.resize: squash ",
        "dvc repro    roughly 1 min on ",
        "git checkout params.yaml",
    ):
        assert part in said
    assert "data.classes:" not in said  # one of its folders is there
    assert differing() == [
        ("raw: data/imagenette", "raw: data/flowers"),
        ("image_size: 160", "image_size: 224"),
        ("solver: adam", "solver: logistic"),
        ("learning_rate: 1.0e-4", "learning_rate: 0.0003"),
        ("epochs: 3", "epochs: 20"),
        ("min_steps_per_epoch: 1", "min_steps_per_epoch: 30"),
        ("patience: 0", "patience: 3"),
    ]


def test_classes_of_other_folders_are_removed() -> None:
    draw_classes("flowers")
    assert "data.classes: 10 names -> none " in adopt("flowers")
    assert load_params().data.classes == {}
    comments = [line[line.index("#") :] for line in COMMITTED.splitlines() if "#" in line]
    text = PARAMS.read_text()
    assert [line[line.index("#") :] for line in text.splitlines() if "#" in line] == comments
    assert adopt("flowers").count(" -> ") == 0  # a second time
    assert PARAMS.read_text() == text


@pytest.mark.parametrize(
    ("folders", "words", "sides"),
    [
        (["train", "val"], "train/ and val/", "10 train, 8 val, 2 test"),
        (["train", "valid", "test"], "train/ and valid/ and test/", "10 train, 10 val, 10 test"),
        (["training", "testing"], "training/ and testing/", "8 train, 2 val, 10 test"),
    ],
)
def test_folders_of_sides(folders: list[str], words: str, sides: str) -> None:
    for folder in folders:
        draw_classes(f"own/{folder}")
    said = adopt("own")
    assert f"layout      {words}\n" in said
    assert f"about {sides}\n" in said


def test_csv_file_with_groups() -> None:
    draw(*(f"own/{n}.png" for n in range(30)))
    lines = [f"{n}.png,{'xy'[n % 2]},p{n // 2}\n" for n in range(30)]
    Path("own/labels.csv").write_text("".join(["path,label,group\n", *lines]))
    said = adopt("own")
    assert "layout      a CSV file, labels.csv\n" in said
    assert "groups      15, none of them divided\n" in said
    assert "18 train, 6 val, 6 test\n" in said
    assert load_params().data.classes == {}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["own/1.png", "own/2.png"], "fewer than two class folders; found 2 files"),
        (["own/val/a/1.png", "own/val/b/1.png"], "has no folder train/; found val/"),
        ([], "no such folder"),
    ],
)
def test_an_invalid_folder_is_reported_with_the_layouts_and_changes_nothing(
    files: list[str], said: str
) -> None:
    draw(*files)
    assert adopt("own", code=1) == f"error: own: {said}\n{LAYOUT_HELP}\n"
    assert PARAMS.read_text(encoding="utf-8") == COMMITTED


def test_folder_that_holds_the_project(project: Path) -> None:
    assert f"error: {project}: this project is in it" in adopt(".", code=1)
    assert f"error: {project.parent}: this project is in it" in adopt("..", code=1)


def test_too_few_images_and_none_that_is_one() -> None:
    draw_classes("own", count=2)
    assert "error: class a: 2 readable images are too few" in adopt("own", code=1)
    for file in Path("own").rglob("*.png"):
        file.write_text("")
    assert "none of 4 files is an image; own/a/0.png: the file is empty" in adopt("own", code=1)
    assert PARAMS.read_text(encoding="utf-8") == COMMITTED


def test_a_folder_elsewhere_is_named_from_the_root(project: Path) -> None:
    draw_classes("../elsewhere/flowers")
    adopt("../elsewhere/flowers")
    assert load_params().data.raw == str(project.parent / "elsewhere/flowers")
    PARAMS.write_text(COMMITTED)
    assert "DVC tracks only what is below" in adopt("--track", "../elsewhere/flowers", code=1)
    assert PARAMS.read_text(encoding="utf-8") == COMMITTED


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
    assert sum(line.startswith("  raw: ") and "# the images" in line for line in lines) == 1
    assert load_params().data.image_size == 224


def test_tracked_folder(project: Path) -> None:
    run_git(project, "init", "--quiet")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    draw_classes("own images")
    adopt("--track", "own images")
    assert Path("own images.dvc").is_file()
    assert load_params().data.raw == "own images"


def test_a_folder_that_dvc_is_not_to_track() -> None:
    draw_classes("data/deep/own")
    said = adopt("--track", "data/deep/own", code=1)
    assert said.startswith("error: data/deep/own: .dvcignore lets DVC track what is right in data/")
    assert "move it to data/own" in said


def test_wrong_parameters_are_reported() -> None:
    draw_classes("own")
    set_params(Path.cwd(), {"data.groups": "patient"})
    assert "error: params.yaml: data.groups = 'patient': must be null" in adopt("own", code=1)
    set_params(Path.cwd(), {"data.groups": r"(patient\d)"})
    assert "finds no group in a/0.png" in adopt("own", code=1)


def test_committed_file_makes_the_round_trip() -> None:
    assert apply_choices(COMMITTED, []) == (COMMITTED, [])
    text, changes = apply_choices(COMMITTED, [ParamChoice("finetune.epochs", 20, "because")])
    assert text == "epochs: 20".join(COMMITTED.rsplit("epochs: 3", 1))
    assert [(one.key, one.old, one.new, one.reason) for one in changes] == [
        ("finetune.epochs", 3, 20, "because")
    ]


def test_header_alone_is_read() -> None:
    draw("a.png", "b.jpg")
    whole = Path("b.jpg").read_bytes()
    Path("b.jpg").write_bytes(whole[:-20])  # what is missing is not looked for
    assert read_header(Path("a.png"))[:2] == ("PNG", (40, 30))
    assert read_header(Path("b.jpg"))[:2] == ("JPEG", (41, 30))


def test_recipe_is_made_of_parameters_there_are() -> None:
    draw_classes("own")
    params = load_params()
    found = survey_folder(Path("own"), params.data, params.seed)
    text, changes = apply_choices(COMMITTED, recommend_params(found, "MobileNetV2"))
    assert [one.key for one in changes][:2] == ["data.image_size", "data.resize"]
    PARAMS.write_text(text)
    assert load_params().data.image_size == 224


def test_another_backbone_gets_its_own_size_and_cut() -> None:
    draw_classes("own")
    text = PARAMS.read_text().replace("name: MobileNetV2 ", "name: EfficientNetV2B3 ")
    PARAMS.write_text(text)
    adopt("own")
    params = load_params()
    assert (params.backbone.name, params.data.image_size) == ("EfficientNetV2B3", 300)
    assert (params.backbone.cache_at, params.finetune.fine_tune_at) == ("auto", 239)


def test_classes_far_from_equal_are_balanced() -> None:
    draw(*(f"own/common/{n}.png" for n in range(40)), *(f"own/rare/{n}.png" for n in range(10)))
    said = adopt("own")
    assert "class_weights: none -> balanced " in said
    assert "the largest class is 4.0 times the smallest" in said
    assert load_params().class_weights == "balanced"


def test_duration_is_that_of_the_run_it_was_taken_from() -> None:
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
    assert [format_duration(of) for of in (1, 212, 3599, 9000)] == [
        "1 min",
        "4 min",
        "60 min",
        "2.5 h",
    ]


def test_make_adopt_without_a_folder() -> None:
    made = run_command(CHECKOUT, "make", "--old-file=setup", "adopt", IMAGES="")
    assert made.returncode
    assert "error: which folder? make adopt IMAGES=../flowers\n" in made.stdout


@pytest.fixture
def repository(project: Path) -> Path:
    """The project as a git repository with the committed pipelines."""
    for name in ("dvc.yaml", "data/dvc.yaml", "baseline/dvc.yaml", ".gitignore", ".dvcignore"):
        (project / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, project / name)
    run_git(project, "init", "--quiet")
    run_git(project, "add", "--all")
    run_git(project, "commit", "--quiet", "--message=test")
    return project


@pytest.mark.parametrize("name", ["flowers", "data/flowers", "models/deep/x", "#1 [x]* "])
def test_a_folder_that_git_sees_is_refused_and_nothing_changes(repository: Path, name: str) -> None:
    draw_classes(name)
    said = adopt(name, code=1)
    assert said.startswith(f"error: {name}: git does not ignore this folder, so `dvc exp run`")
    for way in ("--ignore --", "--track --", "move the folder out of the project"):
        assert way in said
    assert run_git(repository, "status", "--porcelain").count("\n") == 1  # the folder itself
    assert PARAMS.read_text(encoding="utf-8") == COMMITTED


@pytest.mark.parametrize("name", ["flowers", "data/flowers", "models/deep/x", "#1 [x]* "])
@pytest.mark.parametrize("end", ["", "/other", "/latin-\xe9\n"])
def test_ignore_keeps_any_folder_out_of_git(repository: Path, name: str, end: str) -> None:
    draw_classes(name)
    before = Path(".gitignore").read_bytes() + end.encode("latin-1")
    Path(".gitignore").write_bytes(before)
    adopt("--ignore", "--", name)
    assert load_params().data.raw == name
    assert Path(".gitignore").read_bytes().startswith(before)
    run_git(repository, "add", "--all")
    assert ".png" not in run_git(repository, "ls-files")
    after = Path(".gitignore").read_bytes()
    adopt("--ignore", "--", name)  # again, and without: nothing to add
    adopt("--", name)
    assert Path(".gitignore").read_bytes() == after


def test_track_keeps_a_folder_out_of_git_too(repository: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    draw_classes("data/flowers")
    adopt("--track", "data/flowers")
    run_git(repository, "add", "--all")
    listed = run_git(repository, "ls-files")
    assert "data/flowers.dvc" in listed
    assert ".png" not in listed
    adopt("data/flowers")


@pytest.mark.parametrize("option", ["--ignore", "--track", "--"])
def test_a_folder_that_git_tracks_is_refused_with_the_command(
    repository: Path, option: str
) -> None:
    draw_classes("flowers")
    run_git(repository, "add", "flowers")
    said = adopt(option, "flowers", code=1)
    assert "flowers: git tracks flowers/a/0.png" in said
    command = said.partition("adopt the folder again: ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    adopt("flowers")
    run_git(repository, "add", "--all")
    assert ".png" not in run_git(repository, "ls-files")


OUTS = sorted({out for stage in read_pipeline_stages().values() for out in stage.outs})
MADE = {"data/imagenette", "data/sample"}


@pytest.mark.parametrize("out", OUTS)
def test_a_folder_that_contains_equals_or_lies_in_an_output_is_refused(
    repository: Path, out: str
) -> None:
    if out not in MADE:
        for folder in (out, f"{out}/deep"):
            draw_classes(folder)
            said = adopt("--ignore", folder, code=1)
            assert said.startswith(f"error: {folder}: the pipeline writes {out} and deletes what ")
            assert f"Move the images: mv -- {folder} data/mine\n" in said
            shutil.rmtree(out)
    for above in list(Path(out).parents)[:-1]:
        draw_classes(f"{above}/train")
        draw_classes(f"{above}/val")
        said = adopt(str(above), code=1)
        assert said.startswith(f"error: {above}: the pipeline writes {above}/")
        goal = "data/mine"
        assert f"mkdir {goal} && mv -- {above}/train {above}/val {goal}\n" in said
        subprocess.run(["sh", "-c", said[said.index("mkdir") :]], check=True)
        adopt("--ignore", goal)
        shutil.rmtree(goal)


@pytest.mark.parametrize("raw", ["data/sample", "data/imagenette", "data/sample/train"])
def test_the_sets_that_stages_make_may_be_adopted(repository: Path, raw: str) -> None:
    draw_classes(raw)
    adopt(raw)
    assert load_params().data.raw == raw


def test_an_output_below_a_link_is_found(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    Path("data/prepared").symlink_to(tmp_path / "disk")
    draw_classes("../disk")
    assert "the pipeline writes data/prepared and deletes" in adopt("../disk", code=1)
