"""The runtimes that an exported classifier is asked by, each a function of one picture.

All have the same three outputs (tench.exporting.graph). Every picture is computed by one thread,
and as many at a time as there are cores.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.console.silence import silence_exit, silenced_stderr
from tench.core.errors import TenchError
from tench.core.parallel import cores
from tench.exported.folder import misfit
from tench.pictures.prepared import RGB


class Said(NamedTuple):
    """What a classifier says of one picture."""

    probabilities: NDArray[np.float32]  # (classes,), they sum to 1
    pooled: NDArray[np.float32]  # (channels,), the pooled features
    heat: NDArray[np.float32]  # (h, w, classes), what each place adds to a class's logit, scaled


Ask = Callable[[RGB], Said]  # uint8 (size, size, 3); may be called in threads


@contextmanager
def foreign(file: Path) -> Iterator[None]:
    """Raise TenchError for whatever a runtime finds wrong with a file, which may be anybody's."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # each runtime has its own
        raise misfit(file, error) from None


@contextmanager
def litert(file: Path) -> Iterator[Ask]:
    """A .tflite file on LiteRT: as many single-threaded interpreters as there are cores."""
    from ai_edge_litert.interpreter import Interpreter

    idle: SimpleQueue[Any] = SimpleQueue()
    silence_exit()
    with (
        foreign(file),
        silenced_stderr(),
    ):  # it tells of everything it sets up, at the first run too
        for _ in range(cores()):
            runner = Interpreter(model_path=str(file), num_threads=1).get_signature_runner()
            shape = runner.get_input_details()["picture"]["shape"]
            runner(picture=np.zeros(shape, np.float32))
            idle.put(runner)

    def ask(picture: RGB) -> Said:
        runner = idle.get()
        try:
            said = runner(picture=picture[None].astype(np.float32))
        finally:
            idle.put(runner)
        return Said(*(said[name][0] for name in Said._fields))

    yield ask


@contextmanager
def onnx(file: Path) -> Iterator[Ask]:
    """A .onnx file on ONNX Runtime."""
    try:
        import onnxruntime
    except ImportError:
        raise TenchError(f"{file}: needs ONNX Runtime: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with foreign(file):
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def ask(picture: RGB) -> Said:
        said = session.run(list(Said._fields), {"picture": picture[None].astype(np.float32)})
        return Said(*(one[0] for one in said))

    yield ask


def runtime(name: str, file: Path) -> AbstractContextManager[Ask]:
    """A model's file on one of RUNTIMES."""
    return onnx(file) if name == "onnx" else litert(file)
