"""The embedding engine: runs a frozen trunk over pictures once and keeps what comes out.

LiteRT (XNNPACK) on CPU, TensorFlow where there is a GPU. Every batch is computed by one thread, so
the numbers do not depend on how many there are.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tench.backbone import build_trunk, cut_at
from tench.cli import CORES, in_threads, progress
from tench.images import RGB, read_prepared
from tench.index import FOLDER, Row, of_split
from tench.params import Params
from tench.runtime import silenced_stderr, tf
from tench.shards import ROWS, new_shard

Features = list[NDArray[np.float32]]  # one array (n, ...) per output of the trunk

TAPPED = Path("data/features/tapped")
LITERT_BATCH = 8
GPU_BATCH = 256


class Engine(NamedTuple):
    """A frozen trunk, ready to run."""

    forward: Callable[
        [RGB], Features
    ]  # uint8 (n <= batch, size, size, 3); may be called in threads
    batch: int
    row_shapes: list[tuple[int, ...]]  # of each output, without the batch dimension


def to_litert(trunk: Any, batch: int) -> bytes:
    """Convert a Keras model to LiteRT for batches of exactly `batch` pictures, float32.

    Variables are folded into constants first: the conversion takes a quarter of the time.
    """
    signature = [tf.TensorSpec((batch, *trunk.input_shape[1:]), tf.float32)]
    traced = tf.function(lambda x: trunk(x, training=False), signature).get_concrete_function()
    folded = convert_variables_to_constants_v2(traced)
    with silenced_stderr():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([folded]).convert())


def litert_engine(trunk: Any) -> Engine:
    """The trunk on LiteRT: as many single-threaded interpreters as there are cores."""
    content = to_litert(trunk, LITERT_BATCH)
    idle: SimpleQueue[Interpreter] = SimpleQueue()
    with silenced_stderr():
        for _ in range(CORES):
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
            idle.put(interpreter)

    def forward(pictures: RGB) -> Features:
        batch = np.zeros((LITERT_BATCH, *pictures.shape[1:]), np.float32)
        batch[: len(pictures)] = pictures
        net = idle.get()
        try:
            net.set_tensor(net.get_input_details()[0]["index"], batch)
            net.invoke()
            # LiteRT lists outputs in an order of its own; the names (Identity, Identity_1) tell.
            details = sorted(net.get_output_details(), key=lambda one: str(one["name"]))
            return [net.get_tensor(one["index"])[: len(pictures)] for one in details]
        finally:
            idle.put(net)

    return Engine(forward, LITERT_BATCH, row_shapes(trunk))


def tensorflow_engine(trunk: Any) -> Engine:
    """The trunk on TensorFlow."""
    traced = tf.function(lambda x: trunk(x, training=False), reduce_retracing=True)

    def forward(pictures: RGB) -> Features:
        return [one.numpy() for one in tf.nest.flatten(traced(tf.cast(pictures, tf.float32)))]

    batch = GPU_BATCH if tf.config.list_physical_devices("GPU") else LITERT_BATCH
    return Engine(forward, batch, row_shapes(trunk))


def row_shapes(trunk: Any) -> list[tuple[int, ...]]:
    """The shapes of a trunk's outputs, without the batch dimension."""
    return [tuple(output.shape[1:]) for output in trunk.outputs]


def make_engine(trunk: Any, engine: str) -> Engine:
    """The trunk on `engine`: litert, tensorflow, or auto (tensorflow with a GPU, else litert)."""
    if engine == "auto":
        engine = "tensorflow" if tf.config.list_physical_devices("GPU") else "litert"
    return litert_engine(trunk) if engine == "litert" else tensorflow_engine(trunk)


def embed(pictures: Sequence[Path], engine: Engine, folders: Sequence[Path], label: str) -> None:
    """Write the trunk's outputs for `pictures`, in their order, as shards: one folder an output.

    Args:
        pictures: prepared pictures.
        engine: the trunk.
        folders: where the shards of each output go.
        label: of the progress bar.
    """
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # shards of an earlier, larger set would stay
    with progress(None, label, len(pictures)) as bar:
        for start in range(0, len(pictures), ROWS):
            part = pictures[start : start + ROWS]
            shards = [
                new_shard(folder, start // ROWS, (len(part), *shape), np.float32)
                for folder, shape in zip(folders, engine.row_shapes, strict=True)
            ]
            starts = range(0, len(part), engine.batch)
            for done in in_threads(partial(embed_batch, part, engine, shards), starts):
                bar.update(done)


def embed_batch(
    pictures: Sequence[Path], engine: Engine, shards: list[np.memmap], start: int
) -> int:
    """Fill the rows of one batch from `start` on; return how many pictures it had."""
    files = pictures[start : start + engine.batch]
    outputs = engine.forward(np.stack([read_prepared(file) for file in files]))
    for shard, output in zip(shards, outputs, strict=True):
        shard[start : start + len(files)] = output
    return len(files)


@contextmanager
def activations(
    backbone: Any, cut: int, params: Params, rows: Sequence[Row], splits: Sequence[str]
) -> Iterator[Path]:
    """The folder with the activations entering layer `cut`, a folder for each split: what the
    stage embed stored if it tapped there, else made now and removed afterwards."""
    if cut == cut_at(backbone, params.backbone.tap_at):
        yield TAPPED
        return
    with tempfile.TemporaryDirectory(prefix="activations-", dir="data") as folder:
        engine = make_engine(build_trunk(backbone, cut), params.backbone.engine)
        for split in splits:
            pictures = [FOLDER / row.path for row in of_split(rows, split)]
            embed(pictures, engine, [Path(folder, split)], f"embed {split}")
        yield Path(folder)
