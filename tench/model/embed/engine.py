"""A frozen trunk, ready to run: on LiteRT (XNNPACK), or on TensorFlow where there is a GPU.

XNNPACK gives each thread rows and columns of an output and never a part of a sum, so the numbers do
not depend on how many threads there are.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, NamedTuple

from tench.data.decode.resize import RGB
from tench.model.embed.litert import (
    LITERT_BATCH_SIZE,
    Features,
    Forward,
    PreparedFiles,
    open_file_embedder,
    open_litert_model,
)
from tench.model.network.keras_setup import tf
from tench.run.silence import silenced_stderr

RemoteForward = Callable[[], AbstractContextManager[Callable[[PreparedFiles], Features | None]]]

GPU_BATCH = 256


class Engine(NamedTuple):
    """A frozen trunk, ready to run."""

    name: str  # litert or tensorflow
    forward: Forward
    batch: int
    row_shapes: list[tuple[int, ...]]  # of each output, without the batch dimension
    on_all_cores: bool  # whether one batch keeps all of them busy
    # opens the same for the content of files, in any process; None if it runs in this one alone
    elsewhere: RemoteForward | None = None


def convert_base_to_litert(trunk: Any, batch: int) -> bytes:
    """Convert a Keras model to LiteRT for batches of exactly `batch` images, float32.

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
    content, shapes = convert_base_to_litert(trunk, LITERT_BATCH_SIZE), output_row_shapes(trunk)
    how = (content, trunk.input_shape[1], shapes)
    with open_litert_model(*how) as forward:
        yield Engine(
            "litert", forward, LITERT_BATCH_SIZE, shapes, True, partial(open_file_embedder, *how)
        )


@contextmanager
def tensorflow_engine(trunk: Any) -> Iterator[Engine]:
    """The trunk on TensorFlow."""
    traced = tf.function(lambda x: trunk(x, training=False), reduce_retracing=True)

    def forward(images: RGB) -> Features:
        return [one.numpy() for one in tf.nest.flatten(traced(tf.cast(images, tf.float32)))]

    batch = GPU_BATCH if tf.config.list_physical_devices("GPU") else LITERT_BATCH_SIZE
    yield Engine("tensorflow", forward, batch, output_row_shapes(trunk), on_all_cores=False)


def output_row_shapes(trunk: Any) -> list[tuple[int, ...]]:
    """The shapes of a trunk's outputs, without the batch dimension."""
    return [tuple(output.shape[1:]) for output in trunk.outputs]


def open_engine(trunk: Any, engine: str) -> AbstractContextManager[Engine]:
    """The trunk on `engine`: litert, tensorflow, or auto (tensorflow with a GPU, else litert)."""
    if engine == "auto":
        engine = "tensorflow" if tf.config.list_physical_devices("GPU") else "litert"
    return litert_engine(trunk) if engine == "litert" else tensorflow_engine(trunk)
