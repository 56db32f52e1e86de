"""The example in which Optuna drives experiments, with the real Optuna on the sample."""

import re
import sys
from pathlib import Path

from pipeline_clones import CHECKOUT, run_command, run_git


def test_optuna_runs_experiments_and_resumes_its_study(project: Path, tmp_path: Path) -> None:
    packages = str(tmp_path / "packages")
    locked = ("--constraint", "requirements.lock")
    install = ("uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", packages)
    done = run_command(CHECKOUT, *install, *locked, "--group", "search")
    assert done.returncode == 0, done.stdout
    search = (sys.executable, "docs/optuna_search.py", "--study", "t", "--trials", "1")
    before = run_git(project, "status", "--porcelain")
    for number in range(2):
        done = run_command(project, *search, PYTHONPATH=packages)
        assert done.returncode == 0, done.stdout
        layers = r"finetune.fine_tune_at=\d+ backbone.cache_at=\d+"
        tried = rf"^t-{number} finetune.learning_rate=\S+ {layers}$"
        best = rf"^best: t-[0-{number}], 0\.\d+ on validation"
        assert re.search(tried, done.stdout, re.MULTILINE)
        assert re.search(best, done.stdout, re.MULTILINE)
    assert run_git(project, "status", "--porcelain") == before
    assert {"t-0", "t-1"} <= {Path(ref).name for ref in run_git(project, "for-each-ref").split()}


def test_without_optuna_the_error_names_the_package() -> None:
    done = run_command(CHECKOUT, sys.executable, "docs/optuna_search.py", "--help")
    assert done.returncode == 1
    assert done.stdout == "error: there is no Optuna here: uv pip install --group search\n"
