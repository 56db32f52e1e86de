"""Keras on TensorFlow, imported without its start-up noise and made deterministic.

Import `keras` and `tf` from here, and this module only where they are used: it takes seconds.
"""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tench.core.errors import TenchError
from tench.run.process_setup import keep_freed_memory
from tench.run.silence import silenced_stderr

# A float sum depends on how many threads share it (on their number, not on the cores they run on).
# So the number is fixed: docs/reproducible.md has what it costs.
MAX_THREADS = 4

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# oneDNN rounds otherwise. TensorFlow takes its operations by default on processors with VNNI and on
# no others; its matrix product is used on all, with kernels of its own for AVX-512.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"


MIN_ADDRESS_SPACE = 4e9  # bytes that TensorFlow maps, of which it uses a quarter


def check_address_space_limit() -> None:
    """Raise TenchError where a limit (`ulimit -v`) leaves TensorFlow too few addresses: it would
    abort at some point, without a word that a user understands."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit not in {-1, resource.RLIM_INFINITY} and limit < MIN_ADDRESS_SPACE:
        raise TenchError(
            f"a limit of {limit / 1e9:.1f} GB on this shell's memory (ulimit -v): TensorFlow needs "
            f"{MIN_ADDRESS_SPACE / 1e9:.0f}; raise it (ulimit -v unlimited), then run `dvc repro` again"
        )


@contextmanager
def block_imports(*packages: str) -> Iterator[None]:
    """Let imports of packages fail that are not imported yet: Keras and TensorFlow take them up
    where they are installed, for features not used here, and spend half of their start-up on it."""
    absent = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


check_address_space_limit()
keep_freed_memory()
with silenced_stderr(), block_imports("matplotlib", "pandas", "scipy", "sklearn"):
    import keras
    import tensorflow as tf

    # ~/.keras/keras.json may say otherwise
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    tf.config.threading.set_intra_op_parallelism_threads(MAX_THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(MAX_THREADS)
    tf.config.experimental.enable_op_determinism()
    # a float32 is one on a GPU, too, whose products by default have 10 bits of its 23
    tf.config.experimental.enable_tensor_float_32_execution(False)
    tf.get_logger().setLevel("ERROR")  # it warns of retracing where several models are run once

__all__ = ["keras", "tf"]
