"""What differs between the results at hand and the commit, which keeps others from having them."""

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

MAX_FILES_LISTED = 20  # named at most
RAW_KEY, WEIGHTS_KEY = ("data", "raw"), ("backbone", "weights")


def recorded_value_text(stages: Stages, key: Key) -> str:
    """A parameter the results were made with, as text; empty if no stage names it."""
    return str(recorded_values(stages, PARAMS).get(key, [""])[-1])


def reproduction_obstacles(stages: Stages) -> list[str]:
    """What must be done before anyone else can get these results, as sentences."""
    found = outdated_reasons(stages, recorded_value_text(stages, RAW_KEY))
    for key, values in recorded_values(stages, PARAMS).items():
        if len(values) > 1:
            several = " and ".join(sorted(map(yaml_value, values)))
            found.append(f"stages were run with {'.'.join(key)} = {several}: run dvc repro first")
    found += [
        f"{file} cannot be read in the commit: commit it"
        for file in (PARAMS, PACKAGES)
        if not committed_values(file)
    ]
    files = changed_files()
    if files:
        more = f" and {len(files) - MAX_FILES_LISTED} more" if len(files) > MAX_FILES_LISTED else ""
        listed = ", ".join(files[:MAX_FILES_LISTED])
        found.append(f"not in the commit, or other than in it: {listed}{more}: commit them")
    versions = [
        f"{'.'.join(key)} {yaml_value(new)} instead of {yaml_value(old)}"
        for key, (old, new) in changed_values(stages, PACKAGES).items()
        if old is not ABSENT
    ]
    if versions:
        found.append(f"made with other packages than the commit pins: {', '.join(versions)}")
    return found


def external_inputs(stages: Stages) -> list[str]:
    """What is neither in the repository nor fetched or drawn by the pipeline, as sentences."""
    found = []
    raw, weights = recorded_value_text(stages, RAW_KEY), recorded_value_text(stages, WEIGHTS_KEY)
    digest, made = recorded_digest(raw, stages)
    if raw and not made and not git_output("ls-files", "--", raw):
        known = f" (DVC's digest of them: {digest})" if digest else ""
        found.append(f"the images, at {raw}{known}")
    if weights.endswith(".weights.h5"):
        digest, _ = recorded_digest(weights, stages)
        known = f" (MD5: {digest})" if digest else ""
        found.append(f"the weights, at {weights}{known}")
    return found


def reproduction_section(stages: Stages) -> dict[str, Any] | None:
    """All that the template shows of it; None outside of git, where no commit can be named.

    Args:
        stages: those that made the results.
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
        "hindrances": reproduction_obstacles(stages),
        "needs": external_inputs(stages),
        "parameters": page_table(("key", "in the commit", "for these results"), rows, text=True),
        "baseline": "baseline" in stages,
    }
