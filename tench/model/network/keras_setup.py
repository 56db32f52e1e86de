"""Deterministic Keras on TensorFlow, imported without start-up messages.

Import `keras` and `tf` from here, inside the functions that use them: the import takes seconds.
"""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tench.core.errors import TenchError
from tench.run.process_setup import keep_freed_memory
from tench.run.silence import silenced_stderr

# A float sum depends on the number of threads that share it, not on the cores they run on, so the
# number is fixed. For the cost see docs/reproducible.md.
MAX_THREADS = 4

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# oneDNN rounds differently. By default TensorFlow uses its operations only on processors with VNNI.
# Its matrix product is used on all processors, with other kernels for AVX-512, so limit it to AVX2.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"

MIN_ADDRESS_SPACE = 4e9  # bytes that TensorFlow maps, of which it uses a quarter


def check_address_space_limit() -> None:
    """Raise TenchError if `ulimit -v` is too low for TensorFlow, which would abort later with an
    obscure message."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit not in {-1, resource.RLIM_INFINITY} and limit < MIN_ADDRESS_SPACE:
        raise TenchError(
            f"this shell limits memory to {limit / 1e9:.1f} GB (ulimit -v), but TensorFlow needs "
            f"{MIN_ADDRESS_SPACE / 1e9:.0f} GB. Run `ulimit -v unlimited`, then `dvc repro` again"
        )


@contextmanager
def block_imports(*packages: str) -> Iterator[None]:
    """Make imports of packages fail that are not imported yet.

    Keras and TensorFlow import optional packages for features that Tench does not use, which takes
    half of their start-up time.
    """
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

    # ~/.keras/keras.json may have other values.
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    tf.config.threading.set_intra_op_parallelism_threads(MAX_THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(MAX_THREADS)
    tf.config.experimental.enable_op_determinism()
    # By default GPUs multiply float32 with 10 of its 23 bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    tf.get_logger().setLevel("ERROR")  # no retracing warnings where several models run once

__all__ = ["keras", "tf"]
