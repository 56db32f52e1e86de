"""report/index.html: the report with what differs from run to run. `python -m tench.publish`.

The stage `report` writes report/page.html, the same bytes for the same results, which is what DVC
keeps. Seconds, commit, versions and processor are put into the copy that people open.
"""

import base64
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from ruamel.yaml import YAML

from tench.cli import CORES, RUNS, TenchError
from tench.index import FOLDER
from tench.report import curve, with_interval
from tench.tables import Table, table

TEMPLATES = Path(__file__).parent / "templates"
PAGE, INDEX = Path("report/page.html"), Path("report/index.html")
PLACE = "<!-- run -->"  # in the page, for what differs
PACKAGES = (
    *("dvc", "dvclive", "tensorflow", "keras", "ai-edge-litert", "numpy", "scikit-learn"),
    *("cleanvision", "cleanlab", "pillow"),
)
LOCKS = ("dvc.lock", "data/dvc.lock", "baseline/dvc.lock")
OUTPUTS = ("data/prepared", "models/backbone.weights.h5", "models/classifier.keras")


@cache
def templates() -> Environment:
    """The templates; whatever they show is escaped, and what is missing is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    environment.globals["table"] = environment.get_template("table.html").module.table  # type: ignore[attr-defined]
    return environment


def render(contents: dict[str, Any]) -> str:
    """The page of a report's contents, without what differs from run to run."""
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        templates()
        .get_template("report.html")
        .render(
            contents,
            script=Markup(script),
            script_digest=f"sha256-{digest}",  # no other script may run
            style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        )
    )


def git(*arguments: str) -> str:
    """What git prints, or nothing where there is no repository."""
    answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def locked() -> dict[str, Any]:
    """What the lock files hold of every stage, by its name."""
    stages: dict[str, Any] = {}
    for lock in filter(Path.exists, map(Path, LOCKS)):
        content = YAML(typ="safe", pure=True).load(lock.read_text("utf-8"))
        stages |= (content or {}).get("stages", {})
    return stages


def digests(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """The digests of a locked stage's `outs` or `deps`, by path."""
    return {one["path"]: one["md5"] for one in stage.get(kind, [])}


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def provenance(locks: dict[str, Any]) -> Table:
    """Commit, digests, versions and machine."""
    changed = git("status", "--porcelain", "--untracked-files=no")
    commit = git("rev-parse", "HEAD") or "not in a git repository"
    made = {path: md5 for lock in locks.values() for path, md5 in digests(lock, "outs").items()}
    rows = [("commit", commit + (", with uncommitted changes" if changed else ""))]
    rows += [(f"{path}, md5", made[path]) for path in OUTPUTS if path in made]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    rows += [
        ("packages", versions),
        ("Python", platform.python_version()),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("processor", f"{processor()}, {CORES} cores used"),
    ]
    return table(("what", "which"), rows, text=True)


def runs(locks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the runs cost that made the outputs at hand, in the order in which they ended.

    DVC locks a stage's outputs only after the stage has ended. So a run is told here, when it is
    first met, what it made; one whose outputs have given way to others' is left out from then on.
    """
    found = []
    for file in sorted(RUNS.glob("*.json")):
        run = json.loads(file.read_text(encoding="utf-8"))
        outs = digests(locks.get(run["stage"], {}), "outs")
        if "outs" not in run:
            run["outs"] = outs
            file.write_text(json.dumps(run), encoding="utf-8")
        if run["outs"] == outs:
            found.append(run)
    return {run["stage"]: run for run in sorted(found, key=lambda run: str(run["ended"]))}


def costs(cost: dict[str, dict[str, Any]]) -> Table:
    """Seconds and peak memory of every stage."""
    rows = [
        (name, f"{run['seconds']:.1f}", f"{run['peak_mb']:.0f}", run["ended"])
        for name, run in cost.items()
    ]
    return table(("stage", "seconds", "peak memory, MB", "ended (UTC)"), rows)


def baseline(locks: dict[str, Any], cost: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The network from scratch beside the transfer model; None unless it was run on these very
    pictures."""
    index, file = FOLDER / "index.csv", Path("metrics/baseline.json")
    trained_on = digests(locks.get("baseline", {}), "deps").get(index.as_posix())
    if trained_on != hashlib.md5(index.read_bytes(), usedforsecurity=False).hexdigest():
        return None
    if not file.exists():  # removed by hand
        return None
    scratch = json.loads(file.read_text(encoding="utf-8"))
    tuned = json.loads(Path("metrics/evaluate.json").read_text(encoding="utf-8"))["finetuned"]
    models = (
        ("from scratch", scratch, ("baseline",)),
        ("transfer, fine-tuned", tuned, ("embed", "extract-train", "finetune")),
    )
    rows = []
    for name, scores, stages in models:
        seconds = [cost[stage]["seconds"] for stage in stages if stage in cost]
        figures = [with_interval(scores, metric) for metric in ("accuracy", "loss")]
        known = len(seconds) == len(stages)
        rows.append((name, *figures, f"{sum(seconds):.0f}" if known else "not run here"))
    header = ("model", "test accuracy", "test loss", "seconds to train")
    return {
        "table": table(header, rows),
        "accuracy": curve("accuracy", ["baseline"]),
        "loss": curve("loss", ["baseline"]),
    }


def commands() -> str:
    """What to type to get the same result."""
    commit = git("rev-parse", "--short", "HEAD")
    remote = git("remote", "get-url", "origin") or "REPOSITORY"
    if Path(remote).is_absolute():
        remote = "REPOSITORY"
    return f"git clone {remote} tench && cd tench\ngit checkout {commit}\nmake setup\nmake repro\n"


def publish() -> None:
    """Write report/index.html from report/page.html. Raises TenchError."""
    if not PAGE.exists():
        raise TenchError(f"{PAGE}: no such file; run `dvc repro` first")
    locks = locked()
    cost = runs(locks)
    run = (
        templates()
        .get_template("run.html")
        .render(
            provenance=provenance(locks),
            commands=commands(),
            cost=costs(cost),
            baseline=baseline(locks, cost),
        )
    )
    INDEX.write_text(PAGE.read_text(encoding="utf-8").replace(PLACE, run), encoding="utf-8")


def main() -> None:
    try:
        publish()
    except TenchError as error:
        sys.exit(f"error: {error}")
    print(f"the report: {INDEX.resolve().as_uri()}")


if __name__ == "__main__":
    main()
