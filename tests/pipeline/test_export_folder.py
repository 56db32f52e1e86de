"""The export of the sample's pipeline, copied elsewhere and used."""

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from file_damage import flip_bit_in_file
from numpy.typing import NDArray
from PIL import Image
from pipeline_clones import CHECKOUT, FinishedRun, read_scored_images, run_command
from ruamel.yaml import YAML

from tench.core.errors import TenchError
from tench.core.files import read_json
from tench.data.decode.decoder import read_image
from tench.deploy.runtime.export_folder import (
    DESCRIPTION_FILE,
    FORMAT_VERSION,
    MODEL_FILES,
    RUNTIMES,
    read_export,
)
from tench.deploy.runtime.predictor import open_classifier, predict_image


@pytest.fixture(scope="module")
def export(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the export outside its project."""
    target = tmp_path_factory.mktemp("away") / "model"
    return Path(shutil.copytree(finished_run.folder / "models/export", target))


@pytest.fixture(scope="module")
def photographs(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Realistic images: large, rotated, with alpha, CMYK, 16-bit gray."""
    folder = tmp_path_factory.mktemp("photographs")
    files = sorted((finished_run.folder / "data/sample/val").glob("*/*.jpg"))[::16][:6]
    images = [Image.open(file).convert("RGB").resize((1500, 1000)) for file in files]
    exif = Image.Exif()
    exif[0x0112] = 6
    images[0].transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif)
    ghost = images[1].convert("RGBA")
    ghost.putalpha(Image.linear_gradient("L").resize(ghost.size))
    ghost.save(folder / "ghost.png")
    images[2].convert("CMYK").save(folder / "print.jpg")
    deep = np.asarray(images[3].convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "deep.png")
    images[4].save(folder / "plain.webp")
    images[5].convert("P").save(folder / "few colors.gif")
    return sorted(folder.iterdir())


def keras_probabilities(base: FinishedRun, files: list[Path], size: int) -> NDArray[np.float32]:
    """Predictions of the classifier in plain Keras, for images decoded by hand."""
    from tench.model.network.keras_setup import keras

    white, shown = (255, 255, 255, 255), []
    for file in files:
        image: Image.Image = Image.open(file)
        if file.stem == "turned":
            image = image.transpose(Image.Transpose.ROTATE_270)
        if file.stem == "deep":
            image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, white), image)
        image = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        shown.append(np.asarray(image, np.float32))
    classifier = keras.models.load_model(base.folder / "models/classifier.keras")
    return np.asarray(classifier.predict(np.stack(shown), verbose=0))


def ask(export: Path, runtime: str, files: list[Path]) -> NDArray[np.float64]:
    """Probabilities of an exported model, in the order of the classes."""
    exported = read_export(export)
    with open_classifier(exported, runtime) as classifier:
        predictions = [dict(predict_image(classifier, read_image(file)).classes) for file in files]
    return np.array([[one[name] for name in exported.classes] for one in predictions])


def test_every_runtime_predicts_as_keras_does(
    finished_run: FinishedRun, export: Path, photographs: list[Path]
) -> None:
    size = read_export(export).image_size
    expected = keras_probabilities(finished_run, photographs, size)
    for runtime in ("float32", "onnx"):
        np.testing.assert_allclose(ask(export, runtime, photographs), expected, atol=1e-4)
    assert np.abs(ask(export, "int8", photographs) - expected).mean() < 0.05
    assert len(set(expected.argmax(axis=1))) > 1


def predict(export: Path, *arguments: str) -> list[dict[str, Any]]:
    """Output lines of `tench.predict`, run outside any project."""
    command = (sys.executable, "-m", "tench.predict", "--model", str(export), "--format", "json")
    answer = run_command(export.parent, *command, *arguments, PYTHONPATH=str(CHECKOUT))
    lines = [line for line in answer.stdout.splitlines() if line.startswith("{")]
    assert lines, answer.stdout
    return [json.loads(line) for line in lines]


def test_raw_test_images_get_the_probabilities_that_were_scored(
    finished_run: FinishedRun, export: Path
) -> None:
    files, scored = zip(*read_scored_images(finished_run.folder), strict=True)
    predictions = predict(export, *map(str, files))
    assert [one["class"] for one in predictions] == [row["prediction"] for row in scored]
    found = [one["probability"] for one in predictions]
    np.testing.assert_allclose(found, [float(row["probability"]) for row in scored], atol=1e-4)


@pytest.mark.parametrize("module", ["tench.deploy.predict.command", "tench.deploy.serve.server"])
def test_deployment_imports_nothing_of_the_pipeline(module: str) -> None:
    heavy = ("tensorflow", "keras", "dvc", "sklearn", "scipy", "matplotlib", "ruamel", "onnx")
    code = f"import sys, {module}; print([one for one in {heavy!r} if one in sys.modules])"
    assert run_command(CHECKOUT, sys.executable, "-c", code).stdout.strip() == "[]"


def metadata(file: Path) -> Any:
    """Description in the metadata of a model file."""
    if file.suffix == ".onnx":
        (one,) = onnx.load(file).metadata_props
        return json.loads(one.value)
    if file.suffix == ".keras":
        with zipfile.ZipFile(file) as archive:
            return json.loads(archive.read("tench.json"))
    model = schema.ModelT.InitFromPackedBuf(bytearray(file.read_bytes()))
    entry = next(one for one in model.metadata if one.name == b"tench.json")
    return json.loads(bytes(model.buffers[entry.buffer].data))


@pytest.mark.parametrize("name", MODEL_FILES.values())
def test_every_model_carries_its_description(export: Path, name: str) -> None:
    whole = read_json(export / DESCRIPTION_FILE)
    assert metadata(export / name).items() <= whole.items()
    assert len(whole["classes"]) == 10
    assert whole["image"]["size"] == 160


def test_the_keras_export_is_the_classifier(finished_run: FinishedRun, export: Path) -> None:
    with (
        zipfile.ZipFile(export / MODEL_FILES["keras"]) as exported,
        zipfile.ZipFile(finished_run.folder / "models/classifier.keras") as scored,
    ):
        assert {*exported.namelist()} - {*scored.namelist()} == {"tench.json"}
        for name in scored.namelist():
            assert exported.read(name) == scored.read(name)


def test_metrics_cover_the_whole_test_set(finished_run: FinishedRun, export: Path) -> None:
    figures = read_json(finished_run.folder / "metrics/export.json")
    accuracy = read_json(finished_run.folder / "metrics/evaluate.json")["finetuned"]["accuracy"]
    for name in ("float32", "onnx", "keras"):
        assert figures[name]["accuracy"] == accuracy
        assert figures[name]["difference"] <= 1e-4
    for name, file in MODEL_FILES.items():
        assert figures[name]["bytes"] == (export / file).stat().st_size
    assert figures["int8"]["bytes"] < figures["float32"]["bytes"] / 2


def test_noise_is_out_of_distribution(export: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (one,) = predict(export, str(tmp_path / "noise.png"))
    assert one["flag"] == "out_of_distribution"


def test_the_card_is_filled(finished_run: FinishedRun, export: Path) -> None:
    text = (export / "README.md").read_text(encoding="utf-8")
    _, front, card = text.split("---\n", 2)
    data = YAML(typ="safe", pure=True).load(front)
    assert data["pipeline_tag"] == "image-classification"
    scores = read_json(finished_run.folder / "metrics/evaluate.json")
    (result,) = data["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == round(scores["finetuned"]["accuracy"], 4)
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        *("## Use", "## Intended use and limitations", "## Scores", "## Data"),
        *("## Training", "## Licenses", "## Reproduce"),
    ]
    for word in ("TODO", "None.", "nan", "{{", "[More", "baseline."):
        assert word not in card
    for line in ("| finetune.learning\\_rate | 0.0001 |", "Drawn by Tench itself: Apache-2.0."):
        assert line in card


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (shutil.rmtree, "no exported classifier there"),
        (lambda folder: (folder / DESCRIPTION_FILE).write_text("{"), "damaged"),
        (lambda folder: (folder / DESCRIPTION_FILE).write_text('{"format": 9}'), "format 9"),
        (
            lambda folder: (folder / DESCRIPTION_FILE).write_text(
                f'{{"format": {FORMAT_VERSION}}}'
            ),
            "damaged",
        ),
        (lambda folder: (folder / "float32.tflite").unlink(), "float32.tflite: no such file"),
        (lambda folder: flip_bit_in_file(folder / "float32.tflite"), "float32.tflite: damaged"),
        (lambda folder: flip_bit_in_file(folder / "neighbors.npy"), "neighbors.npy: damaged"),
    ],
)
def test_a_damaged_export_is_refused(export: Path, tmp_path: Path, harm: Any, words: str) -> None:
    folder = Path(shutil.copytree(export, tmp_path / "model"))
    harm(folder)
    with pytest.raises(TenchError, match=words), open_classifier(read_export(folder), "float32"):
        pass


def test_thumbnails_are_optional(export: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(export, tmp_path / "model"))
    (folder / "neighbors.zip").unlink()
    with open_classifier(read_export(folder), "int8") as classifier:
        assert classifier.reference_set.images is None


def test_runtimes_are_models() -> None:
    assert set(RUNTIMES) < set(MODEL_FILES)
