"""Run a grid of experiments on the Ray cluster at RAY_ADDRESS, each in a separate clone.

    uv pip install --group ray                                     # on every machine
    RAY_ADDRESS=HOST:PORT python -m docs.ray_search --study rates --cache .dvc/cache \\
        -S finetune.learning_rate=1.0e-5,3.0e-5 -S finetune.fine_tune_at=130,143

Every machine clones the repository at HEAD, runs `dvc exp run evaluate` with one combination and
pushes the experiment. The experiments are called STUDY-0, STUDY-1, … Compare them with
`python -m tench.compare`. Outputs are exchanged through a shared cache (--cache) or the default DVC
remote.
"""

import argparse
import itertools
import logging
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.run.executor.ray_address import RAY_ADDRESS, check_reachable

try:
    import ray
except ModuleNotFoundError:
    sys.exit("error: there is no Ray here: uv pip install --group ray")


class Search(NamedTuple):
    """Settings that all experiments share."""

    repository: str
    commit: str
    cache: str  # a folder; empty: the DVC remote


def here(*command: str) -> str:
    """Return the output of a command. Raises SystemExit if it fails."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def combinations(grid: list[str]) -> list[list[str]]:
    """Combine the values of KEY=VALUE,VALUE,… arguments into lists of KEY=VALUE."""
    parts = [one.partition("=") for one in grid]
    values_of_keys = [[f"{key}={value}" for value in values.split(",")] for key, _, values in parts]
    return [list(one) for one in itertools.product(*values_of_keys)]


def experiment(search: Search, name: str, settings: list[str]) -> str:
    """Run one experiment on this machine and push it. Returns the error, or an empty string."""
    # Ray limits its workers to one OpenMP thread. Without RAY_ADDRESS the stages run here instead
    # of waiting for cores that this experiment occupies.
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {"OMP_NUM_THREADS", RAY_ADDRESS}
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    options = [part for setting in settings for part in ("-S", setting)]
    where = ["--allow-missing"] if search.cache else ["--allow-missing", "--pull"]
    push = ["--no-cache"] if search.cache else []
    with TemporaryDirectory() as folder:
        for command in (
            ["git", "clone", "--quiet", "--no-checkout", search.repository, "."],
            ["git", "checkout", "--quiet", search.commit],
            *([["dvc", "config", "--local", "cache.dir", search.cache]] if search.cache else []),
            ["dvc", "exp", "run", "--name", name, *where, *options, "evaluate"],
            ["dvc", "exp", "push", "--force", *push, "origin", name],
        ):
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment | {"PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
            )
            if done.returncode:
                return f"{' '.join(command)}:\n{done.stdout}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-S", dest="grid", action="append", required=True, metavar="KEY=VALUE,…")
    add("--study", default="ray", help="name of the search (%(default)s)")
    add("--repository", default=str(Path.cwd()), help="path or URL for every machine (this folder)")
    add("--cache", type=Path, help="folder of DVC's cache that every machine sees")
    add("--cores", type=int, default=2, help="cores per experiment (%(default)s)")
    options = parser.parse_args()
    address = os.environ.get(RAY_ADDRESS, "")
    try:
        check_reachable(address)
    except TenchError as error:
        sys.exit(f"error: {error}")
    if here("git", "status", "--porcelain", "--untracked-files=no"):
        sys.exit("error: changes that are not committed: clones would lack them; commit them first")
    if f"/{options.study}-" in here("git", "for-each-ref", "--format=%(refname)", "refs/exps"):
        sys.exit(f"error: --study {options.study}: there are such experiments: choose another name")
    cache = str(options.cache.resolve()) if options.cache else ""
    search = Search(options.repository, here("git", "rev-parse", "HEAD").strip(), cache)
    ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
    start = ray.remote(num_cpus=options.cores)(experiment).remote
    waiting = {}
    for number, settings in enumerate(combinations(options.grid)):
        name = f"{options.study}-{number}"
        waiting[start(search, name, settings)] = " ".join([name, *settings])
    failed = 0
    while waiting:
        (done,), _ = ray.wait(list(waiting))
        wrong = ray.get(done)
        failed += bool(wrong)
        print(waiting.pop(done), f"failed: {wrong}" if wrong else "", flush=True)
    here("git", "fetch", "--quiet", options.repository, "refs/exps/*:refs/exps/*")
    sys.exit(f"error: {failed} failed" if failed else 0)


if __name__ == "__main__":
    main()
