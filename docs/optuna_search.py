"""Search fine_tune_at and the learning rate with Optuna. Each trial is a DVC experiment.

    uv pip install --group search
    python docs/optuna_search.py --trials 20

Maximizes the validation accuracy. The trials are stored in .dvc/tmp/optuna.log: run the command
again to resume. The experiments are called STUDY-0, STUDY-1, … Compare them, and the best with five
seeds, with `python -m tench.compare`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from dvc.api import metrics_show

try:
    import optuna
except ModuleNotFoundError:
    sys.exit("error: there is no Optuna here: uv pip install --group search")
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

SCORES = "metrics/finetune/metrics.json"
JOURNAL = Path(".dvc/tmp/optuna.log")
# MobileNetV2: first trained layer -> the layer whose input activations are cached
FIRST_LAYERS = {100: 98, 116: 116, 125: 125, 130: 125, 143: 125, 152: 125}


def settings(trial: optuna.Trial) -> dict[str, str]:
    """Return the parameters of a trial as key -> value.

    The learning rate has two digits, so that trials repeat and DVC reuses their results.
    """
    rate = trial.suggest_float("learning_rate", 1e-5, 3e-4, log=True)
    first = trial.suggest_categorical("fine_tune_at", list(FIRST_LAYERS))
    return {
        "finetune.learning_rate": f"{rate:.1e}",
        "finetune.fine_tune_at": str(first),
        "backbone.cache_at": str(FIRST_LAYERS[first]),
    }


def accuracy(trial: optuna.Trial) -> float:
    """Run an experiment in a temporary folder. Returns its validation accuracy, 0 to 1."""
    name = f"{trial.study.study_name}-{trial.number}"
    chosen = settings(trial)
    options = [part for key, value in chosen.items() for part in ("-S", f"{key}={value}")]
    print(name, *(f"{key}={value}" for key, value in chosen.items()), flush=True)
    command = [
        "dvc",
        "exp",
        "run",
        "--temp",
        "--allow-missing",
        "--name",
        name,
        *options,
        "evaluate",
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"error: {name} failed:\n{done.stdout}{done.stderr}")
    return float(metrics_show(SCORES, rev=name)["val"]["accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20, help="number of further trials (20)")
    parser.add_argument("--study", default="optuna", help="name of the search (optuna)")
    parser.add_argument("--seed", type=int, default=42, help="seed of the sampler (42)")
    options = parser.parse_args()
    if not JOURNAL.parent.is_dir():
        sys.exit(f"error: {JOURNAL.parent}: no such folder; run it from the project's root")
    study = optuna.create_study(
        study_name=options.study,
        storage=JournalStorage(JournalFileBackend(str(JOURNAL))),
        sampler=optuna.samplers.TPESampler(seed=options.seed),
        direction="maximize",
        load_if_exists=True,
    )
    study.optimize(accuracy, n_trials=options.trials)
    best = study.best_trial
    print(
        f"best: {options.study}-{best.number}, {best.value:.4f} on validation, with {best.params}"
    )


if __name__ == "__main__":
    main()
