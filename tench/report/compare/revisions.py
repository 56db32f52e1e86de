"""Selection of revisions and their files, with few git processes for any number of commits."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.run.record import git_output, git_refusal

# DVC's ref of an experiment: its parent commit, in two parts, and its name. Importing
# dvc.repo.experiments.refs instead would take half a second.
EXPERIMENT_REF = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38,62})/(.+)")
SHORT_COMMIT = 7  # characters of a commit
MAX_SUGGESTIONS = 3  # for an unknown name
FETCH_COMMAND = "git fetch origin 'refs/exps/*:refs/exps/*'"


class Revision(NamedTuple):
    """A commit with the name that the user gave it."""

    name: str
    commit: str
    stem: str = ""  # parent commit of an experiment

    @property
    def before(self) -> str:
        """The parent commit."""
        return self.stem or f"{self.commit}^"


class Selection(NamedTuple):
    """Revisions to compare."""

    revisions: list[Revision]  # distinct commits, including the reference
    reference: Revision
    notes: list[str]


def cat_file(option: str, lines: Sequence[str]) -> bytes:
    """Run `git cat-file` with one object name per line. Raises TenchError if git fails."""
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    command = ["git", "cat-file", option]
    result = subprocess.run(command, input=text, capture_output=True, check=False)
    if result.returncode != 0:
        raise TenchError(f"git: {result.stderr.decode('utf-8', 'replace').strip()}")
    return result.stdout


def resolve_commits(names: Iterable[str]) -> dict[str, str]:
    """Resolve names to commits with git; unknown names are skipped."""
    valid = [name for name in dict.fromkeys(names) if name and name.isprintable()]
    output = cat_file("--batch-check=%(objectname)", [f"{name}^{{commit}}" for name in valid])
    lines = zip(valid, output.decode("utf-8", "replace").splitlines(), strict=True)
    return {name: line for name, line in lines if " " not in line}  # else: NAME missing


def read_files(commits: Iterable[str], files: Sequence[Path]) -> dict[tuple[str, Path], bytes]:
    """Read files of commits, by commit and path; missing files are skipped.

    Args:
        commits: Names of commits, in any form that git resolves.
        files: Paths relative to the current folder.
    """
    keys = [(commit, file) for commit in dict.fromkeys(commits) for file in files]
    output = cat_file("--batch", [f"{commit}:./{file.as_posix()}" for commit, file in keys])
    contents, start = {}, 0
    for key in keys:
        end = output.index(b"\n", start)
        header, start = output[start:end].rsplit(b" ", 2), end + 1
        if header[-1].isdigit():  # OBJECT blob SIZE; else: NAME missing
            size = int(header[-1])
            contents[key] = output[start : start + size]
            start += size + 1
    return contents


def list_experiments() -> tuple[list[Revision], list[str]]:
    """List all experiments, and the names of branches and tags."""
    output = git_output("for-each-ref", "--format=%(objectname) %(refname)")
    refs = [tuple(line.split(" ", 1)) for line in output.splitlines()]
    matched = [(commit, EXPERIMENT_REF.fullmatch(ref)) for commit, ref in refs]
    others = [ref.split("/", 2)[2] for _, ref in refs if not ref.startswith("refs/exps/")]
    return [Revision(m[3], commit, m[1] + m[2]) for commit, m in matched if m], others


def resolve_name(
    name: str, commits: dict[str, str], experiments: Sequence[Revision], head: str
) -> Revision | None:
    """Resolve a name to a commit, branch, tag or experiment, in DVC's order of precedence.

    Args:
        name: Name given by the user.
        commits: Commits by the names that git resolves.
        experiments: All experiments.
        head: Commit of HEAD. Its experiments take precedence over others of the same name.

    Returns:
        The revision, or None if the name is unknown.

    Raises:
        TenchError: Several experiments have this name.
    """
    if name in commits:
        stems = {one.commit: one.stem for one in experiments}
        return Revision(name, commits[name], stems.get(commits[name], ""))
    matches = [one for one in experiments if one.name == name]
    if len(matches) > 1:
        matches = [one for one in matches if one.stem == head] or matches
    if len(matches) > 1:
        choices = ", ".join(
            f"{one.commit[:SHORT_COMMIT]} of {one.stem[:SHORT_COMMIT]}" for one in matches
        )
        raise TenchError(f"{name}: several experiments have this name; give a commit: {choices}")
    return matches[0] if matches else None


def unknown_name_message(name: str, names: Sequence[str], any_experiment: bool) -> str:
    """Return the error message for an unknown name."""
    matches = get_close_matches(name, names, MAX_SUGGESTIONS)
    hint = f"; did you mean {' or '.join(matches)}?" if matches else ""
    fetch = "" if any_experiment else f"; this clone has no experiments, run `{FETCH_COMMAND}`"
    return f"{name}: no such experiment, commit, branch or tag{hint}{fetch}"


def drop_duplicate_commits(revisions: Iterable[Revision]) -> tuple[list[Revision], list[str]]:
    """Drop repeated commits, with a note for each, and add the commit to ambiguous names."""
    first: dict[str, Revision] = {}
    notes: dict[str, None] = {}
    for one in revisions:
        other = first.setdefault(one.commit, one)
        if other.name != one.name:
            notes[f"{one.name} is the same commit as {other.name}: counted once."] = None
    names = [one.name for one in first.values()]
    distinct = [
        one._replace(name=f"{one.name} ({one.commit[:SHORT_COMMIT]})")
        if names.count(one.name) > 1
        else one
        for one in first.values()
    ]
    return distinct, list(notes)


def select_revisions(names: Sequence[str], all_commits: bool, against: str | None) -> Selection:
    """Select the revisions to compare.

    Args:
        names: Experiments, commits, branches or tags; without any, HEAD and its experiments.
        all_commits: Select all experiments and their parent commits.
        against: Name of the reference. The default is the parent commit of the first experiment in
            `names`, else the first name, else HEAD.

    Raises:
        TenchError: There is nothing to compare, or a name is unknown.
    """
    if git_output("rev-parse", "--is-inside-work-tree") != "true":
        if refusal := git_refusal():
            raise TenchError(f"git: {refusal}")
        raise TenchError(f"{Path.cwd()}: not in a git repository; run from the project's root")
    experiments, branches = list_experiments()
    stems = [one.stem for one in experiments]
    requested = [*names, *([against] if against is not None else [])]
    commits = resolve_commits(["HEAD", *requested, *stems])
    if "HEAD" not in commits:
        raise TenchError("HEAD: the repository has no commits yet")
    head = Revision("HEAD", commits["HEAD"])

    def find(name: str) -> Revision:
        revision = resolve_name(name, commits, experiments, head.commit)
        if revision is None:
            all_names = [*dict.fromkeys([one.name for one in experiments] + branches)]
            raise TenchError(unknown_name_message(name, all_names, bool(experiments)))
        return revision

    def stem_of(one: Revision) -> Revision:
        return head if one.stem == head.commit else Revision(one.stem[:SHORT_COMMIT], one.stem)

    chosen = [find(name) for name in names]
    if not names:
        chosen = [one for one in experiments if all_commits or one.stem == head.commit]
        if not chosen:
            parent = "" if all_commits else f" of HEAD ({head.commit[:SHORT_COMMIT]})"
            option = ", use --all-commits" if experiments and not all_commits else ""
            raise TenchError(
                f"no experiments{parent}; run one with `dvc exp run`, fetch those of the remote "
                f"with `{FETCH_COMMAND}`{option}, or name revisions"
            )
        chosen = [head, *(stem_of(one) for one in chosen), *chosen]
    if against is not None:
        reference = find(against)
    elif names:
        experiment = next((one for one in chosen if one.stem), None)
        reference = stem_of(experiment) if experiment else chosen[0]
    else:
        reference = head
    # the reference comes first, so that its group is named after it
    revisions, notes = drop_duplicate_commits([reference, *chosen])
    reference = next(one for one in revisions if one.commit == reference.commit)
    return Selection(revisions, reference, notes)
