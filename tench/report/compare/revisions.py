"""Which commits are meant, and what they hold: a few processes of git, however many they are."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.run.record import git_output, git_refusal

# Where DVC keeps an experiment: the commit it stems from, in two parts, and its name. (DVC's own
# dvc.repo.experiments.refs says the same, and takes half a second to import.)
EXPERIMENT_REF = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38,62})/(.+)")
SHORT_COMMIT = 7  # characters of a commit
MAX_SUGGESTIONS = 3  # names that are proposed in place of an unknown one
FETCH_COMMAND = "git fetch origin 'refs/exps/*:refs/exps/*'"


class Revision(NamedTuple):
    """A commit under the name that the user knows it by."""

    name: str
    commit: str
    stem: str = ""  # of an experiment: the commit it stems from

    @property
    def before(self) -> str:
        """The commit that it changed."""
        return self.stem or f"{self.commit}^"


class Selection(NamedTuple):
    """What is to be compared."""

    revisions: list[Revision]  # the reference among them, each commit once
    reference: Revision
    notes: list[str]


def cat_file(option: str, lines: Sequence[str]) -> bytes:
    """What `git cat-file` says of the objects that lines name. Raises TenchError."""
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    command = ["git", "cat-file", option]
    answer = subprocess.run(command, input=text, capture_output=True, check=False)
    if answer.returncode != 0:
        raise TenchError(f"git: {answer.stderr.decode('utf-8', 'replace').strip()}")
    return answer.stdout


def resolve_commits(names: Iterable[str]) -> dict[str, str]:
    """The commits that names stand for, as git resolves them; unknown ones are left out."""
    asked = [name for name in dict.fromkeys(names) if name and name.isprintable()]
    lines = cat_file("--batch-check=%(objectname)", [f"{name}^{{commit}}" for name in asked])
    found = zip(asked, lines.decode("utf-8", "replace").splitlines(), strict=True)
    return {name: line for name, line in found if " " not in line}  # else: NAME missing


def read_files(commits: Iterable[str], files: Sequence[Path]) -> dict[tuple[str, Path], bytes]:
    """The content of files in commits, by both; what there is not is left out.

    Args:
        commits: names of commits that git resolves.
        files: paths from the current folder on.
    """
    asked = [(commit, file) for commit in dict.fromkeys(commits) for file in files]
    content = cat_file("--batch", [f"{commit}:./{file.as_posix()}" for commit, file in asked])
    found, place = {}, 0
    for key in asked:
        end = content.index(b"\n", place)
        header, place = content[place:end].rsplit(b" ", 2), end + 1
        if header[-1].isdigit():  # OBJECT blob SIZE; else: NAME missing
            size = int(header[-1])
            found[key] = content[place : place + size]
            place += size + 1
    return found


def list_experiments() -> tuple[list[Revision], list[str]]:
    """All experiments that this repository has; and the names of its branches and tags."""
    listed = git_output("for-each-ref", "--format=%(objectname) %(refname)")
    refs = [tuple(line.split(" ", 1)) for line in listed.splitlines()]
    matched = [(commit, EXPERIMENT_REF.fullmatch(ref)) for commit, ref in refs]
    others = [ref.split("/", 2)[2] for _, ref in refs if not ref.startswith("refs/exps/")]
    return [Revision(m[3], commit, m[1] + m[2]) for commit, m in matched if m], others


def resolve_name(
    name: str, known: dict[str, str], those: Sequence[Revision], head: str
) -> Revision | None:
    """The revision of a name, if it has one: a commit, branch or tag, or else an experiment, which
    is the order of DVC, too.

    Args:
        name: as the user gave it.
        known: commits by the names that git resolves.
        those: all experiments.
        head: the commit that is checked out, whose experiment is meant where several have a name.

    Raises:
        TenchError: several experiments have it.
    """
    if name in known:
        stems = {one.commit: one.stem for one in those}
        return Revision(name, known[name], stems.get(known[name], ""))
    found = [one for one in those if one.name == name]
    if len(found) > 1:
        found = [one for one in found if one.stem == head] or found
    if len(found) > 1:
        several = ", ".join(
            f"{one.commit[:SHORT_COMMIT]} of {one.stem[:SHORT_COMMIT]}" for one in found
        )
        raise TenchError(f"{name}: several experiments have this name; name a commit: {several}")
    return found[0] if found else None


def unknown_name_message(name: str, names: Sequence[str], any_experiment: bool) -> str:
    """What to say of a name that nothing has."""
    near = get_close_matches(name, names, MAX_SUGGESTIONS)
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    fetch = "" if any_experiment else f"; this clone has no experiments: {FETCH_COMMAND} gets them"
    return f"{name}: no such experiment, commit, branch or tag{meant}{fetch}"


def drop_duplicate_commits(revisions: Iterable[Revision]) -> tuple[list[Revision], list[str]]:
    """Revisions without those of a commit that was there before; and what to say of these. A name
    that several have is told by its commit."""
    first: dict[str, Revision] = {}
    notes: dict[str, None] = {}
    for one in revisions:
        there = first.setdefault(one.commit, one)
        if there.name != one.name:
            notes[f"{one.name} is the same commit as {there.name}: counted once."] = None
    names = [one.name for one in first.values()]
    distinct = [
        one._replace(name=f"{one.name} ({one.commit[:SHORT_COMMIT]})")
        if names.count(one.name) > 1
        else one
        for one in first.values()
    ]
    return distinct, list(notes)


def select_revisions(names: Sequence[str], all_commits: bool, against: str | None) -> Selection:
    """What is to be compared.

    Args:
        names: of experiments, commits, branches, tags; without any, the experiments of HEAD.
        all_commits: whether all experiments are meant, with the commits they stem from.
        against: name of the reference. By default it is the commit that the first experiment named
            stems from; without one, the first revision named; without names, HEAD.

    Raises:
        TenchError: there is nothing to compare, or a name is unknown.
    """
    if git_output("rev-parse", "--is-inside-work-tree") != "true":
        if refusal := git_refusal():
            raise TenchError(f"git: {refusal}")
        raise TenchError(f"{Path.cwd()}: not in a git repository; run from the project's root")
    those, others = list_experiments()
    stems = [one.stem for one in those]
    given = [*names, *([against] if against is not None else [])]
    known = resolve_commits(["HEAD", *given, *stems])
    if "HEAD" not in known:
        raise TenchError("HEAD: there is no commit yet")
    head = Revision("HEAD", known["HEAD"])

    def find(name: str) -> Revision:
        found = resolve_name(name, known, those, head.commit)
        if found is None:
            all_names = [*dict.fromkeys([one.name for one in those] + others)]
            raise TenchError(unknown_name_message(name, all_names, bool(those)))
        return found

    def stem_of(one: Revision) -> Revision:
        return head if one.stem == head.commit else Revision(one.stem[:SHORT_COMMIT], one.stem)

    chosen = [find(name) for name in names]
    if not names:
        chosen = [one for one in those if all_commits or one.stem == head.commit]
        if not chosen:
            where = "" if all_commits else f" of HEAD ({head.commit[:SHORT_COMMIT]})"
            more = ", name revisions, or ask for --all-commits" if those and not all_commits else ""
            raise TenchError(
                f"no experiments{where}: run some with `dvc exp run`, get those of the remote with "
                f"`{FETCH_COMMAND}`{more or ', or name revisions'}"
            )
        chosen = [head, *(stem_of(one) for one in chosen), *chosen]
    if against is not None:
        reference = find(against)
    elif names:
        stemming = next((one for one in chosen if one.stem), None)
        reference = stem_of(stemming) if stemming else chosen[0]
    else:
        reference = head
    revisions, notes = drop_duplicate_commits(
        [reference, *chosen]
    )  # so its group is called after it
    reference = next(one for one in revisions if one.commit == reference.commit)
    return Selection(revisions, reference, notes)
