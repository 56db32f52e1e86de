"""A frozen trunk, ready to run: on LiteRT (XNNPACK), or on TensorFlow where there is a GPU.

XNNPACK gives each thread rows and columns of an output and never a part of a sum, so the numbers do
not depend on how many threads there are.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, NamedTuple

from tench.console.silence import silenced_stderr
from tench.embedding.litert import (
    LITERT_BATCH,
    Features,
    Files,
    Forward,
    embedding_files,
    open_model,
)
from tench.network.runtime import tf
from tench.pictures.prepared import RGB

Elsewhere = Callable[[], AbstractContextManager[Callable[[Files], Features | None]]]

GPU_BATCH = 256


class Engine(NamedTuple):
    """A frozen trunk, ready to run."""

    name: str  # litert or tensorflow
    forward: Forward
    batch: int
    row_shapes: list[tuple[int, ...]]  # of each output, without the batch dimension
    on_all_cores: bool  # whether one batch keeps all of them busy
    # opens the same for the content of files, in any process; None if it runs in this one alone
    elsewhere: Elsewhere | None = None


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
    """The trunk on LiteRT, on all cores."""
    content, shapes = to_litert(trunk, LITERT_BATCH), row_shapes(trunk)
    how = (content, trunk.input_shape[1], shapes)
    with open_model(*how) as forward:
        yield Engine("litert", forward, LITERT_BATCH, shapes, True, partial(embedding_files, *how))


@contextmanager
def tensorflow_engine(trunk: Any) -> Iterator[Engine]:
    """The trunk on TensorFlow."""
    traced = tf.function(lambda x: trunk(x, training=False), reduce_retracing=True)

    def forward(pictures: RGB) -> Features:
        return [one.numpy() for one in tf.nest.flatten(traced(tf.cast(pictures, tf.float32)))]

    batch = GPU_BATCH if tf.config.list_physical_devices("GPU") else LITERT_BATCH
    yield Engine("tensorflow", forward, batch, row_shapes(trunk), on_all_cores=False)


def row_shapes(trunk: Any) -> list[tuple[int, ...]]:
    """The shapes of a trunk's outputs, without the batch dimension."""
    return [tuple(output.shape[1:]) for output in trunk.outputs]


def open_engine(trunk: Any, engine: str) -> AbstractContextManager[Engine]:
    """The trunk on `engine`: litert, tensorflow, or auto (tensorflow with a GPU, else litert)."""
    if engine == "auto":
        engine = "tensorflow" if tf.config.list_physical_devices("GPU") else "litert"
    return litert_engine(trunk) if engine == "litert" else tensorflow_engine(trunk)
