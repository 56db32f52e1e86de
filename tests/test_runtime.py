"""Keras as every machine has it."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_keras_settings_of_the_user_change_nothing(tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    theirs = {"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"}
    (tmp_path / ".keras/keras.json").write_text(json.dumps(theirs | {"backend": "jax"}))
    program = (
        "from tench.network.runtime import keras; from keras import config;"
        "print(config.backend(), config.floatx(), config.epsilon(), config.image_data_format())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "tensorflow float32 1e-07 channels_last\n"
    assert answer.stderr == ""  # nor TensorFlow's start-up noise
