"""The schema of params.yaml: the committed values, and one line for every mistake."""

from pathlib import Path
from typing import Any

import pytest
from pipeline_clones import REMOVE_KEY, set_params

from tench.core.errors import TenchError
from tench.core.params import Params, load_params

COMMITTED = Path(__file__).parents[3] / "params.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the committed params.yaml."""
    copy = tmp_path / "params.yaml"
    copy.write_bytes(COMMITTED.read_bytes())
    return copy


def load_with(file: Path, key: str, value: Any) -> Params:
    """Load the file with `key` (dotted) set to `value`, or without it for REMOVE_KEY."""
    set_params(file.parent, {key: value})
    return load_params(file)


def message(file: Path, key: str, value: Any) -> str:
    with pytest.raises(TenchError) as caught:
        load_with(file, key, value)
    return str(caught.value)


def load_text(file: Path, text: str) -> Params:
    file.write_text(text, encoding="utf-8")
    return load_params(file)


def test_committed_values_are_those_of_the_paper() -> None:
    params = load_params(COMMITTED)
    assert params.data.image_size == 160
    assert list((params.data.classes or {}).values()) == [
        "fish",
        "dog",
        "radio",
        "chainsaw",
        "church",
        "french_horn",
        "truck",
        "petrol_station",
        "golf_ball",
        "parachute",
    ]
    assert params.class_weights == "none"
    assert params.extract_train.model_dump() == {
        "solver": "adam",
        "dense_units": 64,
        "dropout": 0.2,
        "activation": "sigmoid",
        "learning_rate": 1e-4,
        "batch_size": 32,
        "epochs": 3,
        "min_steps_per_epoch": 1,
        "patience": 0,
    }
    assert params.finetune.model_dump() == {
        "fine_tune_at": 130,
        "learning_rate": 1e-4,
        "batch_size": 32,
        "epochs": 3,
        "min_steps_per_epoch": 1,
        "patience": 0,
        "ema": True,
    }
    assert (params.backbone.weights, params.backbone.cache_at) == ("imagenet", 125)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("seed", "42", "a valid integer"),
        ("seed", True, "a valid integer"),
        ("seed", -1, "greater than or equal to 0"),
        ("data.raw", 7, "a valid string"),
        ("data.raw", "", "at least 1 character"),
        ("data.image_size", "160", "a valid integer"),
        ("data.image_size", 160.0, "a valid integer"),
        ("data.image_size", True, "a valid integer"),
        ("data.image_size", 31, "greater than or equal to 32"),
        ("data.image_size", 513, "less than or equal to 512"),
        ("data.groups", "patient", "one pair of parentheses"),
        ("data.groups", "(a)(b)", "one pair of parentheses"),
        ("data.groups", "(a", "one pair of parentheses"),
        ("data.groups", 7, "a valid string"),
        ("data.resize", "stretch", "'squash', 'crop' or 'pad'"),
        ("data.val_fraction", 0, "greater than 0"),
        ("data.val_fraction", 1.0, "less than 1"),
        ("data.test_fraction", 0, "greater than 0"),
        ("data.test_fraction", 1, "less than 1"),
        ("data.test_fraction", True, "a valid number"),
        ("data.test_fraction", float("nan"), "a finite number"),
        ("data.max_rejected", -0.1, "greater than or equal to 0"),
        ("data.max_rejected", 1.1, "less than or equal to 1"),
        ("data.classes", ["n01440764"], "a valid dictionary"),
        (
            "backbone.weights",
            "imagenet-192",
            "imagenet, imagenet-224, imagenet-160, random, or the path",
        ),
        (
            "backbone.weights",
            "model.h5",
            "imagenet, imagenet-224, imagenet-160, random, or the path",
        ),
        ("backbone.engine", "onnx", "'auto', 'litert' or 'tensorflow'"),
        ("extract_train.dense_units", 0, "greater than or equal to 1"),
        ("extract_train.dropout", 1.0, "less than 1"),
        ("extract_train.dropout", -0.1, "greater than or equal to 0"),
        ("extract_train.activation", "relu", "'sigmoid' or 'softmax'"),
        ("extract_train.learning_rate", 0, "greater than 0"),
        ("extract_train.learning_rate", "fast", "a valid number"),
        ("extract_train.learning_rate", float("inf"), "a finite number"),
        ("extract_train.batch_size", 0, "greater than or equal to 1"),
        ("extract_train.epochs", 0, "greater than or equal to 1"),
        ("extract_train.epochs", 3.0, "a valid integer"),
        ("finetune.learning_rate", 1.5, "less than or equal to 1"),
        ("finetune.learning_rate", None, "a valid number"),
    ],
)
def test_an_error_names_the_value_and_what_is_allowed(
    file: Path, key: str, value: Any, allowed: str
) -> None:
    shown = "not a finite number" if repr(value) == "nan" else repr(value)
    said = message(file, key, value)
    assert said.startswith(f"{file}: {key} = {shown}: ")
    assert allowed in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.image_size", 32),
        ("data.image_size", 512),
        ("data.groups", None),
        ("data.groups", r"(?:patient|case)(\d+)"),
        ("data.resize", "pad"),
        ("data.val_fraction", 0.001),
        ("data.test_fraction", 0.999),
        ("data.max_rejected", 0),
        ("data.max_rejected", 1),
        ("extract_train.dropout", 0),
        ("extract_train.activation", "softmax"),
    ],
)
def test_limits_are_allowed(file: Path, key: str, value: Any) -> None:
    params = load_with(file, key, value)
    section, name = key.split(".")
    assert getattr(getattr(params, section), name) == value


@pytest.mark.parametrize("notation", ["1e-4", "1e-04", "0.0001", "1.0E-4"])
def test_powers_of_ten_are_numbers(file: Path, notation: str) -> None:
    # YAML 1.1 reads 1e-4 as text, and DVC writes small numbers that way
    text = file.read_text(encoding="utf-8").replace("1.0e-4", notation)
    assert load_text(file, text).finetune.learning_rate == 1e-4


def test_an_unknown_key_is_reported_with_the_known_ones(file: Path) -> None:
    said = message(file, "learning_rate", 1)
    known = "seed, class_weights, data, backbone, audit, extract_train, finetune, export, baseline"
    assert said == f"{file}: learning_rate: unknown key; known keys: {known}"
    file.write_bytes(COMMITTED.read_bytes())
    said = message(file, "finetune.learning_rat", 1)
    known = "fine_tune_at, learning_rate, batch_size, epochs, min_steps_per_epoch, patience, ema"
    assert said == f"{file}: finetune.learning_rat: unknown key; known keys: {known}"


@pytest.mark.parametrize("key", ["seed", "data", "data.image_size", "finetune.epochs"])
def test_missing_key_is_named(file: Path, key: str) -> None:
    assert message(file, key, REMOVE_KEY) == f"{file}: {key}: is missing"


def test_all_problems_are_reported_at_once(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("seed: 42", "seed: x")
    file.write_text(text, encoding="utf-8")
    lines = message(file, "finetune.fine_tune_at", 200).splitlines()
    assert len(lines) == 2
    assert "seed = 'x'" in lines[0]
    assert "finetune.fine_tune_at = 200" in lines[1]


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "fish\n"])
def test_a_file_without_sections_is_reported_with_the_keys(file: Path, text: str) -> None:
    with pytest.raises(TenchError) as caught:
        load_text(file, text)
    assert str(caught.value).startswith(f"{file}: ")
    assert (
        "seed, class_weights, data, backbone, audit, extract_train, finetune, export, baseline"
        in str(caught.value)
    )


@pytest.mark.parametrize("value", [None, [], 3])
def test_an_empty_section_is_reported_with_its_keys(file: Path, value: Any) -> None:
    said = message(file, "finetune", value)
    assert said.startswith(f"{file}: finetune")
    assert (
        "fine_tune_at, learning_rate, batch_size, epochs, min_steps_per_epoch, patience, ema"
        in said
    )


@pytest.mark.parametrize(
    "text", ["data: [1", "a:\n\t- b", "seed: 1\nseed: 2", "a: !!python/object:os.system x"]
)
def test_invalid_yaml_is_reported(file: Path, text: str) -> None:
    with pytest.raises(TenchError, match="not readable as YAML") as caught:
        load_text(file, text)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_binary_file_is_reported(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TenchError, match="not readable as YAML"):
        load_params(file)


def test_a_missing_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TenchError, match=r"params\.yaml: no such file; run from the project's"):
        load_params()


@pytest.mark.parametrize(
    "name",
    ["a/b", "a\\b", "..", ".", ".hidden", "", " ", " fish", "fish ", "a\nb", "a\tb", "a\0b"],
)
def test_class_name_must_be_a_folder_name(file: Path, name: str) -> None:
    said = message(file, "data.classes", {"n01440764": name})
    assert said.startswith(f"{file}: data.classes.n01440764 = {name!r}: must be a plain folder")


def test_class_name_must_fit_a_file_system(file: Path) -> None:
    said = message(file, "data.classes", {"n01440764": "é" * 128})  # 256 bytes
    assert said.startswith(f"{file}: data.classes.n01440764 = ")


@pytest.mark.parametrize("label", ["a/b", "../elsewhere", ".x", "é" * 200, "-1", "two words"])
def test_any_label_of_a_csv_file_can_be_renamed(file: Path, label: str) -> None:
    assert load_with(file, "data.classes", {label: "fish"}).data.classes == {label: "fish"}


@pytest.mark.parametrize("label", ["", " x", "a\nb", "a\x1b"])
def test_label_that_no_csv_file_can_contain(file: Path, label: str) -> None:
    assert "must be text on one line" in message(file, "data.classes", {label: "fish"})


WORDS = ["1", "-1", "0x10", "1.5", "true", "null", "~", "1e5"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("line", ["{}: fish", "n01440764: {}"])
def test_unquoted_word_under_data_classes_must_be_quoted(file: Path, word: str, line: str) -> None:
    text = file.read_text(encoding="utf-8")
    with pytest.raises(TenchError, match="put it in quotation marks"):
        load_text(file, text.replace("n01440764: fish", line.format(word)))
    quoted = text.replace("n01440764: fish", line.format(f'"{word}"'))
    classes = load_text(file, quoted).data.classes or {}
    assert word in {*classes, *classes.values()}


@pytest.mark.parametrize(
    "classes",
    [{"x": "fish", "y": "fish"}, {"x": "fish", "y": "Fish"}, {"x": "\u00e9", "y": "e\u0301"}],
    ids=["equal", "case", "Unicode composition"],
)
def test_two_folders_must_not_share_a_name(file: Path, classes: dict[str, str]) -> None:
    said = message(file, "data.classes", classes)
    assert said.startswith(
        f"{file}: data.classes = {classes}: x and y must not have the same name "
    )
    assert repr(classes["y"]) in said


@pytest.mark.parametrize("classes", [REMOVE_KEY, None, {}])
def test_classes_may_be_left_out(file: Path, classes: Any) -> None:
    assert not load_with(file, "data.classes", classes).data.classes


@pytest.mark.parametrize("name", ["sea fish", "Süßwasserfisch", "鱼", "می‌خواهم", "a.b"])
def test_class_names_of_any_language_are_allowed(file: Path, name: str) -> None:
    assert load_with(file, "data.classes", {"x": name}).data.classes == {"x": name}


def test_no_is_a_name_and_not_false(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("n01440764: fish", "n01440764: no")
    assert (load_text(file, text).data.classes or {})["n01440764"] == "no"
