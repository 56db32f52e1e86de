"""Models from strangers: nothing in their files is run, and each is one error."""

import json
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from clones import CHECKOUT
from onnx import TensorProto, helper

from tench.core.errors import TenchError
from tench.core.files import file_sha256, write_csv, write_json
from tench.exported import runtimes
from tench.exported.answers import Classifier, check
from tench.exported.folder import DESCRIPTION, FORMAT, own_digest, read_exported
from tench.exported.neighbours import Neighbours, read_neighbours, small_picture
from tench.exported.runtimes import Said

MARK = Path("mark")  # what a hostile file would make


class Evil:
    """What makes MARK when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(MARK),)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export whose models are nonsense, `model` below the current folder."""
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"
    model.mkdir()
    np.save(model / "neighbours.npy", np.zeros((2, 4), np.float16))
    write_csv(("path", "class_name"), [("a", "x"), ("b", "y")], model / "neighbours.csv")
    (model / "float32.tflite").write_bytes(b"nonsense")
    (model / "model.onnx").write_bytes(b"nonsense")
    describe(model)
    return model


def describe(model: Path, **changes: Any) -> None:
    """Describe the files as they are: their digests are what a stranger says they are."""
    content = {
        "format": FORMAT,
        "classes": ["x", "y"],
        "picture": {"size": 32, "resize": "squash"},
        "trust": {"confidence": None, "accuracy": 0.9, "distance": 1.0},
        "files": {
            file.name: {"sha256": file_sha256(file)}
            for file in model.iterdir()
            if file.name != DESCRIPTION
        },
    }
    content |= changes
    write_json(content | {"sha256": own_digest(content)}, model / DESCRIPTION)


def refused(model: Path) -> str:
    """What is said of the neighbours of an export: one line."""
    with pytest.raises(TenchError) as caught:
        read_neighbours(read_exported(model))
    assert str(caught.value).isprintable()
    assert not MARK.exists()
    return str(caught.value)


def test_what_is_tried_would_work() -> None:
    pickle.loads(pickle.dumps(Evil()))
    assert MARK.exists()


def test_pickles_are_not_opened(folder: Path) -> None:
    np.save(folder / "neighbours.npy", np.array([Evil()], object), allow_pickle=True)
    describe(folder)
    assert "neighbours.npy: not what Tench exports: Object arrays" in refused(folder)
    (folder / "neighbours.npy").write_bytes(pickle.dumps(Evil()))
    describe(folder)
    assert "neighbours.npy: not what Tench exports" in refused(folder)


def test_no_room_opens_pickles_or_runs_what_a_file_holds() -> None:
    files = [*CHECKOUT.glob("tench/**/*.py"), *CHECKOUT.glob("stages/*.py")]
    assert len(files) > 100
    forbidden = (
        r"allow_pickle=True|safe_mode=False|unsafe_deserialization|import pickle|joblib\.load"
    )
    forbidden += r"|shell=True|os\.system|yaml\.load\(\w+\)|(?<![\w.])(eval|exec)\("
    allowed = {
        "tench/adopting/settings.py": ["yaml.load(text)"],  # ruamel's, which makes text
        "tench/spread/cluster.py": ["import pickle"],  # as Ray does, between its own processes
    }
    for file in files:
        text = file.read_text(encoding="utf-8")
        found = [one.group() for one in re.finditer(forbidden, text)]
        assert found == allowed.get(file.relative_to(CHECKOUT).as_posix(), []), file


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["=cmd|' /C calc'!A0", "y"]},
        {"classes": ["x\n", "y"]},
        {"classes": ["../x", "y"]},
        {"classes": 7},
        {"picture": {"size": 100_000, "resize": "squash"}},
        {"picture": {"size": 32, "resize": "explode"}},
        {"trust": {"confidence": "much", "accuracy": 1, "distance": 1}},
        {"trust": {"confidence": None, "accuracy": 1, "distance": "far"}},
        {"files": {"float32.tflite": 3}},
    ],
)
def test_descriptions_of_something_else_are_damaged(folder: Path, change: dict[str, Any]) -> None:
    describe(folder, **change)
    with pytest.raises(TenchError, match=r"model\.json: damaged"):
        read_exported(folder)


def test_a_description_that_nests_without_end_and_one_that_is_a_pipe(folder: Path) -> None:
    (folder / DESCRIPTION).write_text("[" * 100_000)
    with pytest.raises(TenchError, match=r"model\.json: damaged"):
        read_exported(folder)
    (folder / DESCRIPTION).unlink()
    os.mkfifo(folder / DESCRIPTION)
    with pytest.raises(TenchError, match="no exported classifier there"):
        read_exported(folder)


@pytest.mark.parametrize("rows", [[("a", "x")], [("a", "x")] * 3])
def test_neighbours_without_names(folder: Path, rows: list[tuple[str, str]]) -> None:
    write_csv(("path", "class_name"), rows, folder / "neighbours.csv")
    describe(folder)
    assert "(2, 4) numbers beside" in refused(folder)
    write_csv(("path", "name"), [("a", "x")] * 2, folder / "neighbours.csv")
    describe(folder)
    assert "neighbours.csv lacks a column" in refused(folder)


def test_an_archive_of_pictures_that_unfolds_without_end(folder: Path) -> None:
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.webp", bytes(2**21))
        archive.writestr("1.webp", b"small")
    known = Neighbours(np.zeros((2, 4), np.float32), [], Path("bomb.zip"))
    assert small_picture(known, 1) == b"small"
    with pytest.raises(KeyError):
        small_picture(known, 0)


@pytest.mark.parametrize(("name", "file"), [("float32", "float32.tflite"), ("onnx", "model.onnx")])
def test_models_that_are_none(folder: Path, name: str, file: str) -> None:
    with (
        pytest.raises(TenchError, match=f"{file}: not what Tench exports: ") as caught,
        runtimes.runtime(name, folder / file),
    ):
        pass
    assert str(caught.value).isprintable()


def outside(place: str) -> bytes:
    """An ONNX model whose numbers lie in another file."""
    tensor = helper.make_tensor("w", TensorProto.UINT8, [6], b"secret", raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", place
    outputs = [helper.make_tensor_value_info(one, TensorProto.UINT8, [6]) for one in Said._fields]
    nodes = [helper.make_node("Identity", ["w"], [one]) for one in Said._fields]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 32, 32, 3])
    graph = helper.make_graph(nodes, "graph", [picture], outputs, [tensor])
    opset = helper.make_opsetid("", 17)
    content: bytes = helper.make_model(
        graph, opset_imports=[opset], ir_version=8
    ).SerializeToString()
    return content


@pytest.mark.parametrize("place", ["../secret", "../../../../../../../../etc/passwd"])
def test_a_model_that_reads_files_elsewhere(folder: Path, place: str) -> None:
    Path("secret").write_text("secret")
    (folder / "model.onnx").write_bytes(outside(place))
    onnx.load(folder / "model.onnx", load_external_data=False)  # it is one
    with (
        pytest.raises(TenchError, match=r"model\.onnx: not what Tench exports: .*escapes"),
        runtimes.onnx(folder / "model.onnx"),
    ):
        pass


def test_answers_of_other_shapes_than_are_described(folder: Path) -> None:
    exported = read_exported(folder)
    known = read_neighbours(exported)

    def asked(classes: int, channels: int) -> Classifier:
        said = Said(*(np.zeros(s, np.float32) for s in (classes, channels, (2, 2, classes))))
        return Classifier(exported, lambda _: said, known)

    check(asked(2, 4))
    for shapes in ((3, 4), (2, 5)):
        with pytest.raises(ValueError, match="other shapes"):
            check(asked(*shapes))


def repacked(change: Any) -> Path:
    """A .keras file with a Lambda layer of Python, its configuration changed."""
    from tench.network.runtime import keras

    run = keras.layers.Lambda(  # its globals are Keras's where it is loaded
        lambda x: __import__("os").makedirs("mark", exist_ok=True) or x, output_shape=(4,)
    )
    keras.Sequential([keras.Input((4,)), run]).save("lambda.keras")
    file = Path("evil.keras")
    with zipfile.ZipFile("lambda.keras") as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                content = json.dumps(change(json.loads(content))).encode()
            target.writestr(name, content)
    return file


def named(module: str, name: str, config: Any) -> dict[str, Any]:
    """What Keras takes for an object of a class."""
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def by_name(content: dict[str, Any]) -> dict[str, Any]:
    """The Lambda layer calls a function of the system's, by its name."""
    function = {"module": "os", "class_name": "function", "config": "mkdir"}
    function["registered_name"] = "function"
    settings = {"name": "l", "function": function, "arguments": {"path": str(MARK)}}
    content["config"]["layers"][1] = named("keras.layers", "Lambda", settings)
    return content


@pytest.mark.parametrize(
    "change",
    [lambda content: content, lambda _: named("os", "mkdir", {"path": str(MARK)}), by_name],
)
def test_programs_in_a_keras_model_are_not_run(change: Any) -> None:
    from tench.network.classifier import load_classifier

    file, words = repacked(change), r"evil\.keras: no classifier that Tench has saved"
    with pytest.raises(TenchError, match=words) as said:
        load_classifier(file)
    assert not MARK.exists()
    assert str(said.value).isprintable()
    assert "safe_mode" not in str(said.value)  # no advice to trust it


def test_who_trusts_that_model_runs_its_program() -> None:
    from tench.network.runtime import keras

    model = keras.models.load_model(repacked(lambda content: content), safe_mode=False)
    model(np.zeros((1, 4), np.float32))
    assert MARK.exists()


def test_pickles_in_a_file_of_weights_are_not_opened() -> None:
    from tench.network.backbone import load_backbone

    file = Path("evil.weights.h5")
    with h5py.File(file, "w") as content:
        content["layers/conv/vars/0"] = np.void(pickle.dumps(Evil()))
    with pytest.raises(TenchError, match=r"evil\.weights\.h5: not the weights"):
        load_backbone(file, "MobileNetV2", 32)
    file.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(TenchError, match=r"evil\.weights\.h5: not the weights"):
        load_backbone(file, "MobileNetV2", 32)
    assert not MARK.exists()
