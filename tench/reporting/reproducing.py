"""What it takes to get the same results again, and what keeps others from it yet."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tench.console.record import changed_files, git
from tench.core.paths import PACKAGES, PARAMS, PIPELINES
from tench.core.pipelines import Stages
from tench.reporting.locks import digest_of, outdated
from tench.reporting.parameters import (
    ABSENT,
    Key,
    committed,
    differences,
    recorded,
    settings,
    shown,
)
from tench.reporting.tables import page_table

SOMEWHERE = "REPOSITORY"  # in place of an address that means nothing to others
SCHEMES = {"http", "https", "git", "ssh", "git+ssh"}
FILES = 20  # named at most
RAW, WEIGHTS = ("data", "raw"), ("backbone", "weights")


def public_address(remote: str) -> str:
    """A git remote's address as it may be shown to anyone: without user, password and token, and
    SOMEWHERE where it is a local path or cannot be taken apart for sure. The user in front of an
    SSH host is no secret, and needed."""
    if re.fullmatch(r"[\w.-]+@[\w.-]+:[^@?#:]+", remote):
        return remote
    try:
        url = urlsplit(remote)
    except ValueError:
        return SOMEWHERE
    user, _, host = url.netloc.rpartition("@")
    plain = re.fullmatch(r"[\w.-]+(:\d+)?|\[[\da-fA-F:.]+\](:\d+)?", host)
    # with an @ in its path, a password may have been cut at a slash
    if url.scheme not in SCHEMES or not plain or "@" in url.path or not url.path.strip("/"):
        return SOMEWHERE
    if user and "ssh" in url.scheme:
        host = f"{user.split(':')[0]}@{host}"
    return f"{url.scheme}://{host}{url.path}"


def value_of(stages: Stages, key: Key) -> str:
    """A parameter the results were made with, as text; empty if no stage names it."""
    return str(recorded(stages, PARAMS).get(key, [""])[-1])


def hindrances(stages: Stages, remote: str) -> list[str]:
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
    if remote != SOMEWHERE and not git("branch", "--remotes", "--contains", "HEAD"):
        found.append("the commit is on no branch of a remote repository known here: push it")
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


def commands(
    remote: str, commit: str, changes: Mapping[Key, tuple[Any, Any]], baseline: bool
) -> str:
    """What to type to get the same results.

    Args:
        remote: address of the repository, fit to be shown.
        commit: to check out.
        changes: parameters that are not as in the commit.
        baseline: whether the network from scratch is among the results.
    """
    options, by_hand = settings(changes)
    folder = Path("tench", git("rev-parse", "--show-prefix"))
    lines = [
        f"git clone {shlex.quote(remote)} tench && cd {shlex.quote(folder.as_posix())}",
        f"git checkout {commit}",
        "make setup",
        *(f"# in {PARAMS}, by hand:  {line}" for line in by_hand),
    ]
    if options or baseline:
        lines.append("source .venv/bin/activate")
    between = " " if len(options) == 1 else " \\\n  "  # a line each
    lines.append(between.join(["dvc exp run", *options]) if options else "make repro")
    if baseline:
        lines.append(f"dvc repro {PIPELINES[-1]}")
    if options or baseline:
        lines.append("make report")
    return "\n".join(lines) + "\n"


def reproduction(stages: Stages) -> dict[str, Any] | None:
    """All that the template shows of it; None outside of git, where no commit can be named.

    Args:
        stages: those that made the results.
    """
    commit = git("rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    remote = public_address(git("remote", "get-url", "origin"))
    changes = differences(stages, PARAMS)
    rows = [(".".join(key), shown(old), shown(new)) for key, (old, new) in changes.items()]
    return {
        "commit": commit,
        "hindrances": hindrances(stages, remote),
        "needs": needs(stages),
        "parameters": page_table(("key", "in the commit", "for these results"), rows, text=True),
        "commands": commands(remote, commit, changes, "baseline" in stages),
        "somewhere": SOMEWHERE if remote == SOMEWHERE else "",
    }
