"""Run a grid of experiments on the Ray cluster that RAY_ADDRESS names, each in a clone of its own.

    uv pip install --group ray                                     # on every machine
    RAY_ADDRESS=HOST:PORT python -m docs.ray_search --study rates --cache .dvc/cache \\
        -S finetune.learning_rate=1.0e-5,3.0e-5 -S finetune.fine_tune_at=130,143

Every machine clones the repository at HEAD, runs `dvc exp run evaluate` with one combination and
pushes the experiment back, called STUDY-0, STUDY-1, ...; compare them by `python -m tench.compare`.
Outputs come from and go to a cache that all machines see (--cache), else the default DVC remote.
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
    """What all experiments have in common."""

    repository: str
    commit: str
    cache: str  # a folder; empty: the DVC remote


def here(*command: str) -> str:
    """What a command prints. SystemExit if it fails."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def combinations(grid: list[str]) -> list[list[str]]:
    """Every combination of the values of KEY=VALUE,VALUE,..., as KEY=VALUE."""
    parts = [one.partition("=") for one in grid]
    some = [[f"{key}={value}" for value in values.split(",")] for key, _, values in parts]
    return [list(one) for one in itertools.product(*some)]


def experiment(search: Search, name: str, settings: list[str]) -> str:
    """Run one experiment on this machine and push it; return what went wrong, or nothing."""
    # Ray gives its workers one OpenMP thread; a stage that knew of the cluster would wait for cores
    # of it that this experiment has.
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in {"OMP_NUM_THREADS", RAY_ADDRESS}
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    told = [part for one in settings for part in ("-S", one)]
    where = ["--allow-missing"] if search.cache else ["--allow-missing", "--pull"]
    push = ["--no-cache"] if search.cache else []
    with TemporaryDirectory() as folder:
        for command in (
            ["git", "clone", "--quiet", "--no-checkout", search.repository, "."],
            ["git", "checkout", "--quiet", search.commit],
            *([["dvc", "config", "--local", "cache.dir", search.cache]] if search.cache else []),
            ["dvc", "exp", "run", "--name", name, *where, *told, "evaluate"],
            ["dvc", "exp", "push", "--force", *push, "origin", name],
        ):
            done = subprocess.run(
                command,
                cwd=folder,
                env=kept | {"PATH": path},
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
    add("-S", dest="grid", action="append", required=True, metavar="KEY=VALUE,…", help="to combine")
    add("--study", default="ray", help="name of the search (%(default)s)")
    add("--repository", default=str(Path.cwd()), help="path or URL for every machine (this folder)")
    add("--cache", type=Path, help="folder of DVC's cache that every machine sees")
    add("--cores", type=int, default=2, help="of a machine for an experiment (%(default)s)")
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
