"""Report banned words in docs, comments, docstrings, messages and page templates.

    python tests/lint/words.py [FILE ...]

The list, with reasons and replacements, is words.yaml in this folder. Names in Python code and
names of tests are skipped. Exits with 1 if a word is found.
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
    *("*.md", "docs", "tench", "stages", "tests/*.py", "tests/**/*.py", "benchmarks"),
    *("Makefile", "Dockerfile", "params.yaml", "pyproject.toml", ".github", ".ci"),
    *("dvc.yaml", "data/dvc.yaml", "baseline/dvc.yaml"),
)
SUFFIXES = {".css", ".html", ".j2", ".js", ".md", ".py", ".toml", ".yaml", ".yml", ""}
OLD_WORDS = {"CHANGELOG.md", "packages.md"}  # renamed parameters; names of packages
QUOTED = re.compile(r"\b\w+::test_\w+|`[^`]*test_[^`]*`|https?://\S+")  # names, not prose
TEXT = {tokenize.COMMENT, tokenize.STRING} | {
    getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)  # from Python 3.12 on
}


class Rule(NamedTuple):
    """A banned word or phrase, its replacement, the reason, and where the word is allowed."""

    find: re.Pattern[str]
    write: str
    why: str
    unless: re.Pattern[str] | None = None

    def matches(self, line: str) -> Iterator[str]:
        """Yield the banned words of a line, without those inside an allowed phrase."""
        patterns = (QUOTED, self.unless) if self.unless else (QUOTED,)
        allowed = [match.span() for pattern in patterns for match in pattern.finditer(line)]
        for match in self.find.finditer(line):
            if not any(start <= match.start() and match.end() <= end for start, end in allowed):
                yield match[0]


def read_rules(file: Path = LIST) -> list[Rule]:
    """Read the rules of a YAML file: a list of find, write, why and, optionally, unless."""
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [
        Rule(
            re.compile(rf"\b(?:{entry['find']})\b", re.IGNORECASE),
            entry["write"],
            entry["why"],
            re.compile(entry["unless"], re.IGNORECASE) if "unless" in entry else None,
        )
        for entry in entries
    ]


def prose(text: str, suffix: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) to check: comments and strings of Python, all of other files."""
    if suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in TEXT:
            yield from enumerate(token.string.splitlines(), token.start[0])


def findings(text: str, suffix: str, rules: list[Rule]) -> Iterator[tuple[int, str, Rule]]:
    """Yield each banned word of a text as (line number, word, rule)."""
    for number, line in prose(text, suffix):
        for rule in rules:
            for word in rule.matches(line):
                yield number, word, rule


def files() -> list[Path]:
    """List the files to check: those of PATHS that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PATHS]
    listed = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    paths = [Path(name) for name in sorted(set(listed.split("\0")) - {""})]
    skipped = {Path(__file__).name, "test_words.py", *OLD_WORDS}
    return [p for p in paths if p.is_file() and p.suffix in SUFFIXES and p.name not in skipped]


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
