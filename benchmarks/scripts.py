"""Commands that run the Keras and PyTorch baselines."""

import shutil
import subprocess
import sys
from pathlib import Path

from tench.core.params import Params

ROOT = Path(__file__).resolve().parent.parent


def script_command(python: str, name: str, params: Params) -> list[str]:
    """Build the command of a baseline module of this package, with the pipeline's parameters."""
    head, tune = params.extract_train, params.finetune
    options = {
        "raw": params.data.raw,
        "seed": params.seed,
        "image-size": params.data.image_size,
        "dense-units": head.dense_units,
        "dropout": head.dropout,
        "activation": head.activation,
        "batch-size": head.batch_size,
        "learning-rate": head.learning_rate,
        "epochs": head.epochs,
        "fine-tune-at": tune.fine_tune_at,
        "fine-tune-learning-rate": tune.learning_rate,
        "fine-tune-epochs": tune.epochs,
    }
    module = f"benchmarks.{name}"
    return [python, "-u", "-m", module, *(f"--{key}={value}" for key, value in options.items())]


def python_with_torch(python: str) -> str:
    """Return the absolute path of a Python that has torch. Raises SystemExit if it has not."""
    found = shutil.which(python)
    if not found:
        sys.exit(f"error: --pytorch {python}: no such program")
    path = str(Path(found).absolute())
    command = [path, "-c", "import benchmarks.pytorch_baseline"]  # prints what is missing
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(1)
    return path
