"""Keras as every machine has it, whatever its settings and however many its cores."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
# What users and other programs set that would change numbers.
KERAS = {"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"}
ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "SSE41", "KERAS_BACKEND": "jax"}
PROGRAM = """
import contextlib, io, json, os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from test_keras_setup import facts
with contextlib.redirect_stderr(io.StringIO()):  # but not what C++ libraries write
    found = facts()
print(json.dumps(found))
"""


def facts() -> dict[str, Any]:
    """What Keras is like in this process; and the weights of a model after some training, whose log
    is written to ./log."""
    from tench.model.network.keras_setup import keras, tf
    from tench.model.train.loop import Examples, train_model
    from tench.model.train.training_config import TrainingConfig

    config, threading = keras.config, tf.config.threading
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((16, 16, 32)),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.DepthwiseConv2D(3),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (48, 16, 16, 32)).astype(np.float32)
    data = Examples(images.__getitem__, rng.integers(0, 3, 48).astype(np.int32))
    how = TrainingConfig(1, 2, 1e-2, 32, 42, ema=True)
    train_model(model, data, data, how, Path("log"), Path("work"), "test")
    return {
        "keras": [
            *(config.backend(), config.floatx(), config.epsilon(), config.image_data_format())
        ],
        "precision": [
            config.dtype_policy().name,
            tf.config.experimental.tensor_float_32_execution_enabled(),
            *sorted({layer.dtype_policy.name for layer in model.layers}),
        ],
        "pools": [
            threading.get_intra_op_parallelism_threads(),
            threading.get_inter_op_parallelism_threads(),
        ],
        "weights": [weight.tobytes().hex() for weight in model.get_weights()],
        "log": {str(file): file.read_text() for file in Path("log").rglob("*.*")},
    }


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The facts of a process with one core and these settings, and its stderr."""
    home = tmp_path_factory.mktemp("home")
    (home / ".keras").mkdir()
    (home / ".keras/keras.json").write_text(json.dumps(KERAS | {"backend": "jax"}))
    paths = {
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, Path(__file__).parent))),
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=home,
        env=ENVIRONMENT | paths | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {"stderr": answer.stderr, **json.loads(answer.stdout)}


def test_keras_settings_of_the_user_change_nothing(there: dict[str, Any]) -> None:
    assert there["keras"] == ["tensorflow", "float32", 1e-7, "channels_last"]
    assert there["stderr"] == ""  # nor TensorFlow's start-up noise


def test_nothing_is_computed_in_less_than_float32(there: dict[str, Any]) -> None:
    assert there["precision"] == ["float32", False, "float32"]


def test_tensorflow_has_as_many_threads_on_every_machine(there: dict[str, Any]) -> None:
    from tench.model.network.keras_setup import MAX_THREADS

    assert there["pools"] == [MAX_THREADS, MAX_THREADS]


def test_training_again_on_one_core_gives_the_same(
    there: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = facts()
    assert here["weights"] == there["weights"]
    assert here["log"] == there["log"]
    assert len(here["log"]) == 5
