"""Compare experiments, commits and branches: scores, what they cost, and whether they differ.

Revisions whose parameters differ in the seed alone are one group, sorted by validation accuracy.
Each is set against a reference on the same test images. Everything is read from git: no image,
model or cache is needed. In a fresh clone, first get the experiments:
git fetch origin 'refs/exps/*:refs/exps/*'
"""

import argparse
import sys
from pathlib import Path

from tench.core.errors import TenchError
from tench.run.silence import ignore_closed_pipe

REFUSED = 3  # exit code of an error that is explained; a crash of Python has 1
FORMATS = ("table", "csv", "markdown")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tench.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "revisions",
        nargs="*",
        metavar="REV",
        help="experiment, commit, branch or tag (default: the experiments of HEAD, and HEAD); "
        "behind -- those that begin with a dash",
    )
    add("-A", "--all-commits", action="store_true", help="the experiments of all commits")
    add(
        "--against",
        metavar="REV",
        help="the reference (default: the commit that the first experiment named stems from; "
        "without experiments, the first REV; without REV, HEAD)",
    )
    add("--format", choices=FORMATS, default="table", help="(%(default)s)")
    add("--page", type=Path, metavar="FILE", help="write a page with tables and a chart there, too")
    given = parser.parse_args()
    if given.all_commits and given.revisions:
        parser.error("--all-commits goes without REV")
    return given


def main() -> None:
    given = parse_args()
    from tench.report.compare import text_tables
    from tench.report.compare.command import compare_revisions

    formats = {
        "table": text_tables.to_text,
        "csv": text_tables.to_csv,
        "markdown": text_tables.to_markdown,
    }
    try:
        result = compare_revisions(given.revisions, given.all_commits, given.against)
        if given.page:
            from tench.report.compare.html_page import write_comparison

            write_comparison(result, given.page)
        with ignore_closed_pipe():
            print(text_tables.printable(formats[given.format](result)), flush=True)
        if given.format == "csv":
            notes = "\n".join(f"- {note}" for note in result.notes)
            print(text_tables.printable(notes), file=sys.stderr)
        if given.page:
            print(f"the page: {given.page.resolve().as_uri()}", file=sys.stderr)
    except TenchError as error:
        print(f"error: {text_tables.printable(str(error))}", file=sys.stderr)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
