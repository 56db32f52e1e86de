"""Report words that the project does not write, in docs, comments, docstrings and messages.

    python tests/lint/words.py [FILE ...]

The list, with reasons and replacements, is words.yaml beside this file. Names in Python code are
not looked at. Exits with 1 if a word is found.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

LIST = Path(__file__).with_name("words.yaml")
PATHS = (
    *("*.md", "tench", "stages", "tests/*.py", "tests/**/*.py", "benchmarks"),
    *("Makefile", "params.yaml", "dvc.yaml", "data/dvc.yaml", "baseline/dvc.yaml"),
)
SUFFIXES = {".css", ".html", ".j2", ".js", ".md", ".py", ".yaml", ""}
TEXT = {tokenize.COMMENT, tokenize.STRING} | {
    getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)  # from Python 3.12 on
}


class Rule(NamedTuple):
    """A word or phrase, what to write instead, and why."""

    find: re.Pattern[str]
    write: str
    why: str


def read_rules(file: Path = LIST) -> list[Rule]:
    """The rules of a YAML file: a list of find (a regular expression), write and why."""
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [
        Rule(re.compile(rf"\b(?:{one['find']})\b", re.IGNORECASE), one["write"], one["why"])
        for one in entries
    ]


def prose(text: str, suffix: str) -> Iterator[tuple[int, str]]:
    """The text of a file to be checked, line by line, each with its number: of Python the comments
    and strings, of other files all of it."""
    if suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in TEXT:
            yield from enumerate(token.string.splitlines(), token.start[0])


def findings(text: str, suffix: str, rules: list[Rule]) -> Iterator[tuple[int, str, Rule]]:
    """The words of a text that a rule bans: the line's number, the word and its rule."""
    for number, line in prose(text, suffix):
        for rule in rules:
            for found in rule.find.finditer(line):
                yield number, found[0], rule


def files() -> list[Path]:
    """The files to check: those of PATHS that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PATHS]
    listed = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    paths = [Path(name) for name in sorted(set(listed.split("\0")) - {""})]
    own = {Path(__file__).name, "CHANGELOG.md"}  # which name old words
    return [p for p in paths if p.is_file() and p.suffix in SUFFIXES and p.name not in own]


def main() -> None:
    rules, count = read_rules(), 0
    for file in map(Path, sys.argv[1:]) if sys.argv[1:] else files():
        text = file.read_text(encoding="utf-8")
        for number, word, rule in findings(text, file.suffix, rules):
            print(f"{file}:{number}: {word!r}: write {rule.write!r} ({rule.why})")
            count += 1
    if count:
        sys.exit(f"{count} words to replace")


if __name__ == "__main__":
    main()
