"""The runtimes that an exported classifier is asked by, each a function of one image.

All have the same three outputs (tench.export.graph). Every image is computed by one thread,
and as many at a time as there are cores.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.core.parallel import available_cores
from tench.data.decode.resize import RGB
from tench.deploy.runtime.export_folder import invalid_file_error
from tench.run.silence import silence_stderr_at_exit, silenced_stderr


class ModelOutput(NamedTuple):
    """What a classifier says of one image."""

    probabilities: NDArray[np.float32]  # (classes,), they sum to 1
    pooled: NDArray[np.float32]  # (channels,), the pooled features
    heat: NDArray[np.float32]  # (h, w, classes), what each place adds to a class's logit, scaled


RunModel = Callable[[RGB], ModelOutput]  # uint8 (size, size, 3); may be called in threads


@contextmanager
def report_invalid_file(file: Path) -> Iterator[None]:
    """Raise TenchError for whatever a runtime finds wrong with a file, which may be anybody's."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # each runtime has its own
        raise invalid_file_error(file, error) from None


@contextmanager
def open_litert(file: Path) -> Iterator[RunModel]:
    """A .tflite file on LiteRT: as many single-threaded interpreters as there are cores."""
    from ai_edge_litert.interpreter import Interpreter

    idle: SimpleQueue[Any] = SimpleQueue()
    silence_stderr_at_exit()
    with (
        report_invalid_file(file),
        silenced_stderr(),
    ):  # it tells of everything it sets up, at the first run too
        for _ in range(available_cores()):
            runner = Interpreter(model_path=str(file), num_threads=1).get_signature_runner()
            shape = runner.get_input_details()["image"]["shape"]
            runner(image=np.zeros(shape, np.float32))
            idle.put(runner)

    def ask(image: RGB) -> ModelOutput:
        runner = idle.get()
        try:
            said = runner(image=image[None].astype(np.float32))
        finally:
            idle.put(runner)
        return ModelOutput(*(said[name][0] for name in ModelOutput._fields))

    yield ask


@contextmanager
def open_onnx(file: Path) -> Iterator[RunModel]:
    """A .onnx file on ONNX Runtime."""
    try:
        import onnxruntime
    except ImportError:
        raise TenchError(f"{file}: needs ONNX Runtime: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with report_invalid_file(file):
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def ask(image: RGB) -> ModelOutput:
        said = session.run(list(ModelOutput._fields), {"image": image[None].astype(np.float32)})
        return ModelOutput(*(one[0] for one in said))

    yield ask


def open_runtime(name: str, file: Path) -> AbstractContextManager[RunModel]:
    """A model's file on one of RUNTIMES."""
    return open_onnx(file) if name == "onnx" else open_litert(file)
