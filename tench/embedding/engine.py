"""A frozen trunk, ready to run: on LiteRT (XNNPACK), or on TensorFlow where there is a GPU.

XNNPACK gives each thread rows and columns of an output and never a part of a sum, so the numbers do
not depend on how many threads there are.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import CpuOptions, Options
from numpy.typing import NDArray

from tench.console.silence import silence_exit, silenced_stderr
from tench.core.parallel import cores
from tench.network.runtime import tf
from tench.pictures.prepared import RGB

Features = list[NDArray[np.float32]]  # one array (n, ...) per output of the trunk

LITERT_BATCH = 8
GPU_BATCH = 256
# XNNPACK's XNN_FLAG_SLOW_CONSISTENT_ARITHMETIC: the same operations in the same order with every
# instruction set, so that AVX2 and AVX-512 give the same bytes. On AVX2 it costs nothing.
CONSISTENT_ARITHMETIC = 0x200


class Engine(NamedTuple):
    """A frozen trunk, ready to run."""

    name: str  # litert or tensorflow
    forward: Callable[
        [RGB], Features
    ]  # uint8 (n <= batch, size, size, 3); may be called in threads
    batch: int
    row_shapes: list[tuple[int, ...]]  # of each output, without the batch dimension


def to_litert(trunk: Any, batch: int) -> bytes:
    """Convert a Keras model to LiteRT for batches of exactly `batch` pictures, float32.

    Variables are folded into constants first: the conversion takes a quarter of the time.
    """
    from tensorflow.python.framework import convert_to_constants

    signature = [tf.TensorSpec((batch, *trunk.input_shape[1:]), tf.float32)]
    traced = tf.function(lambda x: trunk(x, training=False), signature).get_concrete_function()
    folded = convert_to_constants.convert_variables_to_constants_v2(traced)
    with silenced_stderr():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([folded]).convert())


@contextmanager
def litert_engine(trunk: Any) -> Iterator[Engine]:
    """The trunk on LiteRT, on all cores.

    One model with a thread a core, not a model a core: LiteRT's Python holds the interpreter's lock
    while a model runs, so that of several one at a time would.
    """
    content, shapes, one_at_a_time = to_litert(trunk, LITERT_BATCH), row_shapes(trunk), Lock()
    silence_exit()
    with silenced_stderr():  # it tells of everything it sets up, at the first run too
        model = LiteRTModel(content)
        model.run(np.zeros((LITERT_BATCH, *trunk.input_shape[1:]), np.float32), shapes)

    def forward(pictures: RGB) -> Features:
        batch = np.zeros((LITERT_BATCH, *pictures.shape[1:]), np.float32)
        batch[: len(pictures)] = pictures
        with one_at_a_time:
            return [rows[: len(pictures)] for rows in model.run(batch, shapes)]

    try:
        yield Engine("litert", forward, LITERT_BATCH, shapes)
    finally:
        with silenced_stderr():
            model.close()


class LiteRTModel:
    """A model on LiteRT with its buffers; one thread at a time may run it."""

    def __init__(self, content: bytes) -> None:
        options = Options(
            hardware_accelerators=HardwareAccelerator.CPU,
            cpu_options=CpuOptions(num_threads=cores(), xnnpack_flags=CONSISTENT_ARITHMETIC),
        )
        self.model = CompiledModel.from_buffer(content, options=options)
        self.inputs = self.model.create_input_buffers(0)
        self.outputs = self.model.create_output_buffers(0)

    def run(self, batch: NDArray[np.float32], shapes: Sequence[tuple[int, ...]]) -> Features:
        """The outputs for a whole batch, each row of `shapes`."""
        self.inputs[0].write(batch)
        self.model.run_by_index(0, self.inputs, self.outputs)
        return [
            buffer.read(len(batch) * int(np.prod(shape)), np.float32).reshape(-1, *shape)
            for buffer, shape in zip(self.outputs, shapes, strict=True)
        ]

    def close(self) -> None:
        """Give back what LiteRT holds."""
        for buffer in (*self.inputs, *self.outputs):
            buffer.destroy()
        del self.model, self.inputs, self.outputs


@contextmanager
def tensorflow_engine(trunk: Any) -> Iterator[Engine]:
    """The trunk on TensorFlow."""
    traced = tf.function(lambda x: trunk(x, training=False), reduce_retracing=True)

    def forward(pictures: RGB) -> Features:
        return [one.numpy() for one in tf.nest.flatten(traced(tf.cast(pictures, tf.float32)))]

    batch = GPU_BATCH if tf.config.list_physical_devices("GPU") else LITERT_BATCH
    yield Engine("tensorflow", forward, batch, row_shapes(trunk))


def row_shapes(trunk: Any) -> list[tuple[int, ...]]:
    """The shapes of a trunk's outputs, without the batch dimension."""
    return [tuple(output.shape[1:]) for output in trunk.outputs]


def open_engine(trunk: Any, engine: str) -> AbstractContextManager[Engine]:
    """The trunk on `engine`: litert, tensorflow, or auto (tensorflow with a GPU, else litert)."""
    if engine == "auto":
        engine = "tensorflow" if tf.config.list_physical_devices("GPU") else "litert"
    return litert_engine(trunk) if engine == "litert" else tensorflow_engine(trunk)
