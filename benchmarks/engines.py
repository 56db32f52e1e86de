"""Measure engines for the frozen base, and formats for the prepared images.

    python -m benchmarks.engines IMAGES [--weights models/backbone.weights.h5] [--count 512]

First table: images per second through the frozen base (activations at layer 125, and pooled
features), without decoding. Second: writing and reading resized images in several formats.
IMAGES is a folder with images at any depth.
"""

import argparse
import importlib.util
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tench.core.errors import UnreadableError
from tench.core.parallel import available_cores
from tench.data.decode.decoder import read_image
from tench.data.decode.resize import RGB, resize
from tench.report.page.tables import markdown_table

REPEATS = 3
CACHE_AT, SIZE = 125, 160
Pooled = NDArray[np.float32]  # (n, 1280)
Forward = Callable[[RGB], list[NDArray[np.float32]]]  # one batch to the outputs of the frozen base

FORMATS: dict[str, dict[str, Any]] = {
    "PNG level 1": {"format": "PNG", "compress_level": 1},
    "PNG level 6": {"format": "PNG", "compress_level": 6},
    "BMP": {"format": "BMP"},
    "WebP lossless, method 0": {"format": "WEBP", "lossless": True, "quality": 0, "method": 0},
    "JPEG 95": {"format": "JPEG", "quality": 95},
}


def load_images(folder: Path, count: int) -> list[Image.Image]:
    """Load `count` evenly spaced images of a folder, resized to SIZE x SIZE."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    images = []
    for index in np.linspace(0, len(files) - 1, min(count, len(files)), dtype=int):
        try:
            images.append(resize(read_image(files[index]), SIZE))
        except UnreadableError as error:
            print(f"skipped: {files[index]}: {error}", file=sys.stderr)
    return images


def map_batches(forward: Forward, batch: int, threads: int) -> Callable[[RGB], Pooled]:
    """Return a function that runs `forward` on batches in threads and returns pooled features.

    An incomplete last batch is dropped: some engines accept only full batches.
    """

    def run(images: RGB) -> Pooled:
        starts = range(0, len(images) - batch + 1, batch)
        with ThreadPoolExecutor(threads) as pool:
            outputs = pool.map(lambda start: forward(images[start : start + batch])[-1], starts)
            return np.concatenate(list(outputs))

    return run


def litert_forward(content: bytes, interpreters: int, threads: int) -> Forward:
    """Run a LiteRT model on several interpreters, each with several threads."""
    from ai_edge_litert.interpreter import Interpreter

    from tench.run.silence import silenced_stderr

    idle: SimpleQueue[Any] = SimpleQueue()
    with silenced_stderr():
        for _ in range(interpreters):
            net = Interpreter(model_content=content, num_threads=threads)
            net.allocate_tensors()
            idle.put(net)

    def forward(images: RGB) -> list[NDArray[np.float32]]:
        net = idle.get()
        try:
            net.set_tensor(net.get_input_details()[0]["index"], images.astype(np.float32))
            net.invoke()
            details = sorted(net.get_output_details(), key=lambda one: str(one["name"]))
            return [net.get_tensor(one["index"]) for one in details]
        finally:
            idle.put(net)

    return forward


def openvino_forward(frozen_base: Any) -> Forward:
    """Run the frozen base on OpenVINO, tuned for throughput."""
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        frozen_base.export(folder, verbose=False)
        model = ov.convert_model(folder)
    compiled = ov.compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})

    def forward(images: RGB) -> list[NDArray[np.float32]]:
        request = compiled.create_infer_request()
        outputs = request.infer([images.astype(np.float32)]).values()
        return sorted(outputs, key=lambda output: -output.ndim)  # pooled last

    return forward


def onnx_runtime_forward(frozen_base: Any) -> Forward:
    """Run the frozen base on ONNX Runtime, one thread per call."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "frozen_base.onnx"))
        frozen_base.export(file, format="onnx", verbose=False)
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def forward(images: RGB) -> list[NDArray[np.float32]]:
        outputs = session.run(None, {name: images.astype(np.float32)})
        return sorted(outputs, key=lambda output: -output.ndim)

    return forward


def make_engines(frozen_base: Any, opened: ExitStack) -> dict[str, Callable[[RGB], Pooled]]:
    """Return the installed engines by their name in the table, Keras predict first.

    The engines remain open until `opened` is closed.
    """
    from tench.model.embed.engine import (
        LITERT_BATCH,
        convert_base_to_litert,
        litert_engine,
        tensorflow_engine,
    )

    def predict(images: RGB) -> Pooled:
        outputs = frozen_base.predict(images.astype(np.float32), batch_size=32, verbose=0)
        return np.asarray(outputs[-1])

    traced = opened.enter_context(tensorflow_engine(frozen_base)).forward
    engines: dict[str, Callable[[RGB], Pooled]] = {"Keras predict, batch 32": predict}
    for batch in (8, 32):
        engines[f"TensorFlow function, batch {batch}"] = map_batches(
            traced, batch, available_cores()
        )
    content = {batch: convert_base_to_litert(frozen_base, batch) for batch in (1, 8, 32)}
    for batch, model in content.items():
        one = litert_forward(model, 1, available_cores())
        engines[f"LiteRT, one interpreter, all threads, batch {batch}"] = map_batches(one, batch, 1)
    for batch, model in content.items():
        is_tench = batch == LITERT_BATCH
        tench = opened.enter_context(litert_engine(frozen_base)).forward if is_tench else None
        many = tench or litert_forward(model, available_cores(), 1)
        name = f"LiteRT, one interpreter a core, batch {batch}{' (Tench)' if is_tench else ''}"
        engines[name] = map_batches(many, batch, available_cores())
    for module, needs, make in (
        ("openvino", ("openvino",), openvino_forward),
        ("onnxruntime", ("onnxruntime", "tf2onnx", "onnx"), onnx_runtime_forward),
    ):
        missing = [need for need in needs if importlib.util.find_spec(need) is None]
        if missing:
            print(f"{module}: skipped, not installed: {', '.join(missing)}", file=sys.stderr)
        else:
            engines[f"{module}, batch 8"] = map_batches(make(frozen_base), 8, available_cores())
    return engines


def measure_engines(images: RGB, weights: Path) -> str:
    """Format the table of engines: the median of REPEATS interleaved runs over all images."""
    from tench.model.network.backbone import latest_cut, load_backbone
    from tench.model.network.frozen_base import build_frozen_base

    backbone = load_backbone(weights, "MobileNetV2", SIZE)
    cut = latest_cut(backbone, CACHE_AT)
    frozen_base = build_frozen_base(backbone, "MobileNetV2", cut, pooled=True)
    with ExitStack() as opened:
        engines = make_engines(frozen_base, opened)
        results = {name: run(images) for name, run in engines.items()}  # also the warm-up
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(REPEATS):
            for name, run in engines.items():
                started = time.perf_counter()
                run(images)
                seconds[name].append(time.perf_counter() - started)
    rates = {name: len(results[name]) / statistics.median(seconds[name]) for name in engines}
    base = next(iter(engines))
    rows: list[tuple[str, ...]] = [("Engine", "Images/s", "to Keras predict", "largest difference")]
    for name, rate in rates.items():
        features = results[name]
        difference = float(np.abs(features - results[base][: len(features)]).max())
        rows.append((name, f"{rate:.0f}", f"{rate / rates[base]:.2f}", f"{difference:.0e}"))
    return markdown_table(rows)


def measure_formats(images: Sequence[Image.Image]) -> str:
    """Format the table of formats: the medians of REPEATS runs, one thread, temporary files."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMATS}
    notes: dict[str, tuple[float, bool]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, str(number)) for number in range(len(images))]
        for _ in range(REPEATS):
            for name, options in FORMATS.items():
                started = time.perf_counter()
                for image, file in zip(images, files, strict=True):
                    image.save(file, **options)
                written = time.perf_counter()
                read = [np.asarray(Image.open(io.BytesIO(file.read_bytes()))) for file in files]
                figures[name].append((written - started, time.perf_counter() - written))
                same = all(
                    np.array_equal(one, np.asarray(image))
                    for one, image in zip(read, images, strict=True)
                )
                notes[name] = (statistics.mean(file.stat().st_size for file in files), same)
    rows: list[tuple[str, ...]] = [("Format", "Bytes an image", "write ms", "read ms", "lossless")]
    for name, times in figures.items():
        write, back = (
            f"{statistics.median(column) / len(images) * 1000:.2f}"
            for column in zip(*times, strict=True)
        )
        size, same = notes[name]
        rows.append((name, f"{size:,.0f}", write, back, "yes" if same else "no"))
    return markdown_table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("models/backbone.weights.h5"))
    parser.add_argument("--count", type=int, default=512, help="maximum number of images")
    args = parser.parse_args()
    images = load_images(args.images, args.count)
    print(f"{len(images)} images of {SIZE} x {SIZE} pixels, {available_cores()} cores\n")
    print(measure_engines(np.stack([np.asarray(one) for one in images]), args.weights) + "\n")
    print(measure_formats(images))


if __name__ == "__main__":
    main()
