"""Differences between the results and the commit, which prevent exact reproduction."""

from typing import Any

from tench.core.paths import PACKAGES, PARAMS
from tench.report.lock.parameters import (
    ABSENT,
    Key,
    changed_values,
    committed_values,
    recorded_values,
    yaml_value,
)
from tench.report.lock.provenance import outdated_reasons, recorded_digest
from tench.report.page.tables import page_table
from tench.run.dvc_files import Stages
from tench.run.record import changed_files, git_output

MAX_FILES_LISTED = 20
RAW_KEY, WEIGHTS_KEY = ("data", "raw"), ("backbone", "weights")


def recorded_value_text(stages: Stages, key: Key) -> str:
    """Return a parameter of the results as text; empty if no stage depends on it."""
    return str(recorded_values(stages, PARAMS).get(key, [""])[-1])


def reproduction_obstacles(stages: Stages) -> list[str]:
    """List what must be fixed before others can reproduce these results."""
    obstacles = outdated_reasons(stages, recorded_value_text(stages, RAW_KEY))
    for key, values in recorded_values(stages, PARAMS).items():
        if len(values) > 1:
            different = " and ".join(sorted(map(yaml_value, values)))
            obstacles.append(
                f"stages ran with different values of {'.'.join(key)} ({different}): run dvc repro"
            )
    obstacles += [
        f"{file} is missing from the commit or not readable: commit it"
        for file in (PARAMS, PACKAGES)
        if not committed_values(file)
    ]
    files = changed_files()
    if files:
        more = f" and {len(files) - MAX_FILES_LISTED} more" if len(files) > MAX_FILES_LISTED else ""
        listed = ", ".join(files[:MAX_FILES_LISTED])
        obstacles.append(f"uncommitted changes in {listed}{more}: commit them")
    versions = [
        f"{'.'.join(key)} {yaml_value(new)} instead of {yaml_value(old)}"
        for key, (old, new) in changed_values(stages, PACKAGES).items()
        if old is not ABSENT
    ]
    if versions:
        obstacles.append(f"package versions differ from the commit: {', '.join(versions)}")
    return obstacles


def external_inputs(stages: Stages) -> list[str]:
    """List inputs that are neither in the repository nor made by the pipeline."""
    inputs = []
    raw, weights = recorded_value_text(stages, RAW_KEY), recorded_value_text(stages, WEIGHTS_KEY)
    digest, made = recorded_digest(raw, stages)
    if raw and not made and not git_output("ls-files", "--", raw):
        inputs.append(f"the images in {raw}" + (f" (DVC digest: {digest})" if digest else ""))
    if weights.endswith(".weights.h5"):
        digest, _ = recorded_digest(weights, stages)
        inputs.append(f"the weights {weights}" + (f" (MD5: {digest})" if digest else ""))
    return inputs


def reproduction_section(stages: Stages) -> dict[str, Any] | None:
    """Return the template context on reproduction; None outside a git repository.

    Args:
        stages: Locked stages that made the results.
    """
    commit = git_output("rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changes = changed_values(stages, PARAMS)
    rows = [
        (".".join(key), yaml_value(old), yaml_value(new)) for key, (old, new) in changes.items()
    ]
    return {
        "commit": commit,
        "obstacles": reproduction_obstacles(stages),
        "external_inputs": external_inputs(stages),
        "parameters": page_table(
            ("parameter", "in the commit", "in these results"), rows, text=True
        ),
        "baseline": "baseline" in stages,
    }
