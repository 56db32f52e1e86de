"""Run a LiteRT model on prepared images, without Keras or TensorFlow."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import CpuOptions, Options
from numpy.typing import NDArray

from tench.core.parallel import available_cores
from tench.data.decode.resize import RGB
from tench.data.store.prepared_images import verified_pixels
from tench.run.silence import silence_stderr_at_exit, silenced_stderr

Features = list[NDArray[np.float32]]  # one array (n, ...) per output of the frozen base
Forward = Callable[[RGB], Features]  # uint8 (n <= batch size, size, size, 3); thread-safe
PreparedFiles = Sequence[tuple[bytes, str]]  # content of each file, SHA-256 of its pixels

LITERT_BATCH_SIZE = 8
# XNN_FLAG_SLOW_CONSISTENT_ARITHMETIC: the same operations in the same order with every instruction
# set, so that AVX2 and AVX-512 give the same bytes. On AVX2 it costs nothing.
XNNPACK_CONSISTENT_ARITHMETIC = 0x200


class LiteRTModel:
    """A LiteRT model with its buffers. Not thread-safe."""

    def __init__(self, content: bytes) -> None:
        options = Options(
            hardware_accelerators=HardwareAccelerator.CPU,
            cpu_options=CpuOptions(
                num_threads=available_cores(), xnnpack_flags=XNNPACK_CONSISTENT_ARITHMETIC
            ),
        )
        self.model = CompiledModel.from_buffer(content, options=options)
        self.inputs = self.model.create_input_buffers(0)
        self.outputs = self.model.create_output_buffers(0)

    def run(self, batch: NDArray[np.float32], shapes: Sequence[tuple[int, ...]]) -> Features:
        """Run a full batch; return one array per output, with rows of the given shapes."""
        self.inputs[0].write(batch)
        self.model.run_by_index(0, self.inputs, self.outputs)
        return [
            buffer.read(len(batch) * int(np.prod(shape)), np.float32).reshape(-1, *shape)
            for buffer, shape in zip(self.outputs, shapes, strict=True)
        ]

    def close(self) -> None:
        """Release the memory that LiteRT holds."""
        for buffer in (*self.inputs, *self.outputs):
            buffer.destroy()
        del self.model, self.inputs, self.outputs


@contextmanager
def open_litert_model(
    content: bytes, size: int, shapes: Sequence[tuple[int, ...]]
) -> Iterator[Forward]:
    """Open a LiteRT model that runs on all cores.

    One model with a thread per core, not one model per core: LiteRT holds the interpreter's lock
    while a model runs, so only one would run at a time.

    Args:
        content: a model for batches of LITERT_BATCH_SIZE images.
        size: pixels a side.
        shapes: of its outputs, without the batch dimension.
    """
    lock = Lock()
    silence_stderr_at_exit()
    with silenced_stderr():  # LiteRT logs its setup, also in the first run
        model = LiteRTModel(content)
        model.run(np.zeros((LITERT_BATCH_SIZE, size, size, 3), np.float32), shapes)

    def forward(images: RGB) -> Features:
        batch = np.zeros((LITERT_BATCH_SIZE, *images.shape[1:]), np.float32)
        batch[: len(images)] = images
        with lock:
            return [rows[: len(images)] for rows in model.run(batch, shapes)]

    try:
        yield forward
    finally:
        with silenced_stderr():
            model.close()


@contextmanager
def open_file_embedder(
    content: bytes, size: int, shapes: Sequence[tuple[int, ...]]
) -> Iterator[Callable[[PreparedFiles], Features | None]]:
    """Open `embed_files` on a LiteRT model. For the arguments see `open_litert_model`."""
    with open_litert_model(content, size, shapes) as forward:
        yield partial(embed_files, forward)


def embed_files(forward: Forward, files: PreparedFiles) -> Features | None:
    """The outputs for at most one batch of prepared files; None if one is damaged or missing."""
    try:
        images = [verified_pixels(*file) for file in files]
    except MemoryError:
        raise
    except Exception:  # decoders raise OSError, SyntaxError, ValueError, struct.error, …
        return None
    intact = [image for image in images if image is not None]
    return forward(np.stack(intact)) if len(intact) == len(files) > 0 else None
