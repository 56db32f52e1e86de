"""Engines that run the frozen base: LiteRT (XNNPACK) on the CPU, or TensorFlow on a GPU.

XNNPACK divides outputs among threads, never a sum, so the results do not depend on the number of
threads.
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

GPU_BATCH_SIZE = 256


class Engine(NamedTuple):
    """A frozen base on a runtime."""

    name: str  # litert or tensorflow
    forward: Forward
    batch_size: int
    row_shapes: list[tuple[int, ...]]  # of each output, without the batch dimension
    uses_all_cores: bool  # whether a single batch runs on all cores
    # Opens the same engine for prepared files in another process; None if it cannot be sent there.
    remote_forward: RemoteForward | None = None


def convert_base_to_litert(base: Any, batch_size: int) -> bytes:
    """Convert the frozen base to LiteRT, float32, for batches of exactly `batch_size` images.

    Variables are folded into constants first, which makes the conversion four times as fast.
    """
    from tensorflow.python.framework import convert_to_constants

    signature = [tf.TensorSpec((batch_size, *base.input_shape[1:]), tf.float32)]
    traced = tf.function(lambda x: base(x, training=False), signature).get_concrete_function()
    folded = convert_to_constants.convert_variables_to_constants_v2(traced)
    with silenced_stderr():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([folded]).convert())


@contextmanager
def litert_engine(base: Any) -> Iterator[Engine]:
    """Open the frozen base on LiteRT, on all cores."""
    content, shapes = convert_base_to_litert(base, LITERT_BATCH_SIZE), output_row_shapes(base)
    model = (content, base.input_shape[1], shapes)
    with open_litert_model(*model) as forward:
        yield Engine(
            name="litert",
            forward=forward,
            batch_size=LITERT_BATCH_SIZE,
            row_shapes=shapes,
            uses_all_cores=True,
            remote_forward=partial(open_file_embedder, *model),
        )


@contextmanager
def tensorflow_engine(base: Any) -> Iterator[Engine]:
    """Open the frozen base on TensorFlow."""
    traced = tf.function(lambda x: base(x, training=False), reduce_retracing=True)

    def forward(images: RGB) -> Features:
        return [output.numpy() for output in tf.nest.flatten(traced(tf.cast(images, tf.float32)))]

    yield Engine(
        name="tensorflow",
        forward=forward,
        batch_size=GPU_BATCH_SIZE if has_gpu() else LITERT_BATCH_SIZE,
        row_shapes=output_row_shapes(base),
        uses_all_cores=False,
    )


def has_gpu() -> bool:
    """Whether TensorFlow finds a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def output_row_shapes(base: Any) -> list[tuple[int, ...]]:
    """The shapes of the outputs of the frozen base, without the batch dimension."""
    return [tuple(output.shape[1:]) for output in base.outputs]


def open_engine(base: Any, engine: str) -> AbstractContextManager[Engine]:
    """Open the frozen base on an engine.

    Args:
        base: from `build_frozen_base`.
        engine: litert, tensorflow, or auto (tensorflow with a GPU, else litert).
    """
    if engine == "auto":
        engine = "tensorflow" if has_gpu() else "litert"
    return litert_engine(base) if engine == "litert" else tensorflow_engine(base)
