"""What differs between the results at hand and the commit, which keeps others from having them."""

from typing import Any

from tench.console.record import changed_files, git
from tench.core.paths import PACKAGES, PARAMS
from tench.core.pipelines import Stages
from tench.reporting.locks import digest_of, outdated
from tench.reporting.parameters import (
    ABSENT,
    Key,
    committed,
    differences,
    recorded,
    shown,
)
from tench.reporting.tables import page_table

FILES = 20  # named at most
RAW, WEIGHTS = ("data", "raw"), ("backbone", "weights")


def value_of(stages: Stages, key: Key) -> str:
    """A parameter the results were made with, as text; empty if no stage names it."""
    return str(recorded(stages, PARAMS).get(key, [""])[-1])


def hindrances(stages: Stages) -> list[str]:
    """What must be done before anyone else can get these results, as sentences."""
    found = outdated(stages, value_of(stages, RAW))
    for key, values in recorded(stages, PARAMS).items():
        if len(values) > 1:
            several = " and ".join(sorted(map(shown, values)))
            found.append(f"stages were run with {'.'.join(key)} = {several}: run dvc repro first")
    found += [
        f"{file} cannot be read in the commit: commit it"
        for file in (PARAMS, PACKAGES)
        if not committed(file)
    ]
    files = changed_files()
    if files:
        more = f" and {len(files) - FILES} more" if len(files) > FILES else ""
        listed = ", ".join(files[:FILES])
        found.append(f"not in the commit, or other than in it: {listed}{more}: commit them")
    versions = [
        f"{'.'.join(key)} {shown(new)} instead of {shown(old)}"
        for key, (old, new) in differences(stages, PACKAGES).items()
        if old is not ABSENT
    ]
    if versions:
        found.append(f"made with other packages than the commit pins: {', '.join(versions)}")
    return found


def needs(stages: Stages) -> list[str]:
    """What is neither in the repository nor fetched or drawn by the pipeline, as sentences."""
    found = []
    raw, weights = value_of(stages, RAW), value_of(stages, WEIGHTS)
    digest, made = digest_of(raw, stages)
    if raw and not made and not git("ls-files", "--", raw):
        known = f" (DVC's digest of them: {digest})" if digest else ""
        found.append(f"the pictures, at {raw}{known}")
    if weights.endswith(".weights.h5"):
        digest, _ = digest_of(weights, stages)
        known = f" (MD5: {digest})" if digest else ""
        found.append(f"the weights, at {weights}{known}")
    return found


def reproduction(stages: Stages) -> dict[str, Any] | None:
    """All that the template shows of it; None outside of git, where no commit can be named.

    Args:
        stages: those that made the results.
    """
    commit = git("rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changes = differences(stages, PARAMS)
    rows = [(".".join(key), shown(old), shown(new)) for key, (old, new) in changes.items()]
    return {
        "commit": commit,
        "hindrances": hindrances(stages),
        "needs": needs(stages),
        "parameters": page_table(("key", "in the commit", "for these results"), rows, text=True),
        "baseline": "baseline" in stages,
    }
