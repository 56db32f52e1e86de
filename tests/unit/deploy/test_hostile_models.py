"""Hostile model files: no code in them runs, and each gives one error."""

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
from onnx import TensorProto, helper
from pipeline_clones import CHECKOUT

from tench.core.errors import TenchError
from tench.core.files import file_sha256, write_csv, write_json
from tench.deploy.runtime import backends
from tench.deploy.runtime.backends import ModelOutput
from tench.deploy.runtime.export_folder import (
    DESCRIPTION_FILE,
    FORMAT_VERSION,
    description_digest,
    read_export,
)
from tench.deploy.runtime.neighbors import ReferenceSet, read_reference_image, read_reference_set
from tench.deploy.runtime.predictor import Classifier, check_output_shapes

MARK = Path("mark")  # created if code in a hostile file runs


class Evil:
    """Creates MARK when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(MARK),)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export with invalid model files, in `model` below the current folder."""
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"
    model.mkdir()
    np.save(model / "neighbors.npy", np.zeros((2, 4), np.float16))
    write_csv(("path", "class_name"), [("a", "x"), ("b", "y")], model / "neighbors.csv")
    (model / "float32.tflite").write_bytes(b"nonsense")
    (model / "model.onnx").write_bytes(b"nonsense")
    describe(model)
    return model


def describe(model: Path, **changes: Any) -> None:
    """Write a description with the correct digests of the files, as an attacker would."""
    content = {
        "format": FORMAT_VERSION,
        "classes": ["x", "y"],
        "image": {"size": 32, "resize": "squash"},
        "thresholds": {"confidence": None, "accuracy": 0.9, "distance": 1.0},
        "files": {
            file.name: {"sha256": file_sha256(file)}
            for file in model.iterdir()
            if file.name != DESCRIPTION_FILE
        },
    }
    content |= changes
    write_json(content | {"sha256": description_digest(content)}, model / DESCRIPTION_FILE)


def refused(model: Path) -> str:
    """Error for the reference set of an export; one line."""
    with pytest.raises(TenchError) as caught:
        read_reference_set(read_export(model))
    assert str(caught.value).isprintable()
    assert not MARK.exists()
    return str(caught.value)


def test_the_attack_works_without_protection() -> None:
    pickle.loads(pickle.dumps(Evil()))
    assert MARK.exists()


def test_pickles_are_not_opened(folder: Path) -> None:
    np.save(folder / "neighbors.npy", np.array([Evil()], object), allow_pickle=True)
    describe(folder)
    assert "neighbors.npy: not a file exported by Tench: Object arrays" in refused(folder)
    (folder / "neighbors.npy").write_bytes(pickle.dumps(Evil()))
    describe(folder)
    assert "neighbors.npy: not a file exported by Tench" in refused(folder)


def test_no_package_opens_pickles_or_runs_code_from_files() -> None:
    files = [*CHECKOUT.glob("tench/**/*.py"), *CHECKOUT.glob("stages/*.py")]
    assert len(files) > 100
    forbidden = (
        r"allow_pickle=True|safe_mode=False|unsafe_deserialization|import pickle|joblib\.load"
    )
    forbidden += r"|shell=True|os\.system|yaml\.load\(\w+\)|(?<![\w.])(eval|exec)\("
    allowed = {
        "tench/data/init/params_file.py": ["yaml.load(text)"],  # ruamel's, which makes text
        "tench/run/executor/ray_cluster.py": [
            "import pickle"
        ],  # as Ray does, between its own processes
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
        {"image": {"size": 100_000, "resize": "squash"}},
        {"image": {"size": 32, "resize": "explode"}},
        {"thresholds": {"confidence": "much", "accuracy": 1, "distance": 1}},
        {"thresholds": {"confidence": None, "accuracy": 1, "distance": "far"}},
        {"files": {"float32.tflite": 3}},
    ],
)
def test_descriptions_of_something_else_are_damaged(folder: Path, change: dict[str, Any]) -> None:
    describe(folder, **change)
    with pytest.raises(TenchError, match=r"model\.json: damaged"):
        read_export(folder)


def test_a_deeply_nested_description_and_a_pipe_are_refused(folder: Path) -> None:
    (folder / DESCRIPTION_FILE).write_text("[" * 100_000)
    with pytest.raises(TenchError, match=r"model\.json: damaged"):
        read_export(folder)
    (folder / DESCRIPTION_FILE).unlink()
    os.mkfifo(folder / DESCRIPTION_FILE)
    with pytest.raises(TenchError, match="no exported classifier there"):
        read_export(folder)


@pytest.mark.parametrize("rows", [[("a", "x")], [("a", "x")] * 3])
def test_a_reference_set_whose_rows_do_not_match_is_refused(
    folder: Path, rows: list[tuple[str, str]]
) -> None:
    write_csv(("path", "class_name"), rows, folder / "neighbors.csv")
    describe(folder)
    assert "(2, 4) for" in refused(folder)
    write_csv(("path", "name"), [("a", "x")] * 2, folder / "neighbors.csv")
    describe(folder)
    assert "neighbors.csv lacks a column" in refused(folder)


def test_an_archive_of_images_that_unfolds_without_end(folder: Path) -> None:
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.webp", bytes(2**21))
        archive.writestr("1.webp", b"small")
    known = ReferenceSet(np.zeros((2, 4), np.float32), [], Path("bomb.zip"))
    assert read_reference_image(known, 1) == b"small"
    with pytest.raises(KeyError):
        read_reference_image(known, 0)


@pytest.mark.parametrize(("name", "file"), [("float32", "float32.tflite"), ("onnx", "model.onnx")])
def test_invalid_model_files_are_refused(folder: Path, name: str, file: str) -> None:
    with (
        pytest.raises(TenchError, match=f"{file}: not a file exported by Tench: ") as caught,
        backends.open_runtime(name, folder / file),
    ):
        pass
    assert str(caught.value).isprintable()


def outside(place: str) -> bytes:
    """An ONNX model whose weights are in another file."""
    tensor = helper.make_tensor("w", TensorProto.UINT8, [6], b"secret", raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", place
    outputs = [
        helper.make_tensor_value_info(one, TensorProto.UINT8, [6]) for one in ModelOutput._fields
    ]
    nodes = [helper.make_node("Identity", ["w"], [one]) for one in ModelOutput._fields]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 32, 32, 3])
    graph = helper.make_graph(nodes, "graph", [image], outputs, [tensor])
    opset = helper.make_opsetid("", 17)
    content: bytes = helper.make_model(
        graph, opset_imports=[opset], ir_version=8
    ).SerializeToString()
    return content


@pytest.mark.parametrize("place", ["../secret", "../../../../../../../../etc/passwd"])
def test_a_model_that_reads_files_elsewhere(folder: Path, place: str) -> None:
    Path("secret").write_text("secret")
    (folder / "model.onnx").write_bytes(outside(place))
    onnx.load(folder / "model.onnx", load_external_data=False)  # it is valid ONNX
    with (
        pytest.raises(TenchError, match=r"model\.onnx: not a file exported by Tench: .*escapes"),
        backends.open_onnx(folder / "model.onnx"),
    ):
        pass


def test_outputs_of_other_shapes_than_described(folder: Path) -> None:
    exported = read_export(folder)
    known = read_reference_set(exported)

    def outputs_of_shapes(classes: int, channels: int) -> Classifier:
        said = ModelOutput(*(np.zeros(s, np.float32) for s in (classes, channels, (2, 2, classes))))
        return Classifier(exported, lambda _: said, known)

    check_output_shapes(outputs_of_shapes(2, 4))
    for shapes in ((3, 4), (2, 5)):
        with pytest.raises(ValueError, match="other shapes"):
            check_output_shapes(outputs_of_shapes(*shapes))


def repacked(change: Any) -> Path:
    """A .keras file with a Python Lambda layer and a changed configuration."""
    from tench.model.network.keras_setup import keras

    run = keras.layers.Lambda(  # loaded with Keras's globals
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
    """Configuration of an object of a class, as Keras serializes it."""
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def by_name(content: dict[str, Any]) -> dict[str, Any]:
    """Make the Lambda layer call a system function by name."""
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
    from tench.model.network.classifier import load_classifier

    file, words = repacked(change), r"evil\.keras: not a classifier saved by Tench"
    with pytest.raises(TenchError, match=words) as said:
        load_classifier(file)
    assert not MARK.exists()
    assert str(said.value).isprintable()
    assert "safe_mode" not in str(said.value)  # no advice to trust it


def test_who_trusts_that_model_runs_its_program() -> None:
    from tench.model.network.keras_setup import keras

    model = keras.models.load_model(repacked(lambda content: content), safe_mode=False)
    model(np.zeros((1, 4), np.float32))
    assert MARK.exists()


def test_pickles_in_a_file_of_weights_are_not_opened() -> None:
    from tench.model.network.backbone import load_backbone

    file = Path("evil.weights.h5")
    with h5py.File(file, "w") as content:
        content["layers/conv/vars/0"] = np.void(pickle.dumps(Evil()))
    with pytest.raises(TenchError, match=r"evil\.weights\.h5: not the weights"):
        load_backbone(file, "MobileNetV2", 32)
    file.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(TenchError, match=r"evil\.weights\.h5: not the weights"):
        load_backbone(file, "MobileNetV2", 32)
    assert not MARK.exists()
