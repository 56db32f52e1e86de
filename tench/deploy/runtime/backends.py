"""Run exported models with LiteRT or ONNX Runtime, one image per call.

Both return the three outputs of tench.export.graph. A call uses one thread; call from as many
threads as there are cores.
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
    """Outputs of a model for one image; the fields are named as in the model."""

    probabilities: NDArray[np.float32]  # (classes,), they sum to 1
    pooled: NDArray[np.float32]  # (channels,), pooled features
    heat: NDArray[np.float32]  # (h, w, classes), Grad-CAM before its ReLU


RunModel = Callable[[RGB], ModelOutput]  # of uint8 (size, size, 3); thread-safe


@contextmanager
def report_invalid_file(file: Path) -> Iterator[None]:
    """Turn any error of a runtime about a file, which may be untrusted, into a TenchError."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # each runtime has its own types
        raise invalid_file_error(file, error) from None


@contextmanager
def open_litert(file: Path) -> Iterator[RunModel]:
    """Open a .tflite file with LiteRT: one single-threaded interpreter per core."""
    from ai_edge_litert.interpreter import Interpreter

    idle: SimpleQueue[Any] = SimpleQueue()
    silence_stderr_at_exit()
    with report_invalid_file(file), silenced_stderr():  # LiteRT logs its setup, up to the first run
        for _ in range(available_cores()):
            runner = Interpreter(model_path=str(file), num_threads=1).get_signature_runner()
            shape = runner.get_input_details()["image"]["shape"]
            runner(image=np.zeros(shape, np.float32))
            idle.put(runner)

    def run_model(image: RGB) -> ModelOutput:
        runner = idle.get()
        try:
            outputs = runner(image=image[None].astype(np.float32))
        finally:
            idle.put(runner)
        return ModelOutput(*(outputs[name][0] for name in ModelOutput._fields))

    yield run_model


@contextmanager
def open_onnx(file: Path) -> Iterator[RunModel]:
    """Open a .onnx file with ONNX Runtime."""
    try:
        import onnxruntime
    except ImportError:
        raise TenchError(f"{file}: needs ONNX Runtime (pip install onnxruntime)") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with report_invalid_file(file):
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run_model(image: RGB) -> ModelOutput:
        outputs = session.run(list(ModelOutput._fields), {"image": image[None].astype(np.float32)})
        return ModelOutput(*(output[0] for output in outputs))

    yield run_model


def open_runtime(name: str, file: Path) -> AbstractContextManager[RunModel]:
    """Open a model file with one of RUNTIMES."""
    return open_onnx(file) if name == "onnx" else open_litert(file)
