"""Compare scores and cost of experiments, commits and branches, and test their differences.

Revisions that differ only in the seed form a group. Groups are sorted by validation accuracy and
compared with a reference on the same test images. Everything is read from git: no images, models
or cache are needed. In a fresh clone, fetch the experiments first:
git fetch origin 'refs/exps/*:refs/exps/*'
"""

import argparse
import sys
from pathlib import Path

from tench.core.errors import TenchError
from tench.run.silence import ignore_closed_pipe

REFUSED = 3  # exit code of a reported error; Python exits with 1 after a crash
FORMATS = ("table", "csv", "markdown")


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
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
        help="experiment, commit, branch or tag (default: HEAD and its experiments); put -- before "
        "names that start with a dash",
    )
    add("-A", "--all-commits", action="store_true", help="compare the experiments of all commits")
    add(
        "--against",
        metavar="REV",
        help="reference (default: the parent commit of the first experiment; without experiments, "
        "the first REV; without REV, HEAD)",
    )
    add("--format", choices=FORMATS, default="table", help="output format (default: %(default)s)")
    add("--page", type=Path, metavar="FILE", help="also write an HTML page with a chart")
    args = parser.parse_args()
    if args.all_commits and args.revisions:
        parser.error("--all-commits cannot be combined with REV")
    return args


def main() -> None:
    args = parse_args()
    from tench.report.compare import text_tables
    from tench.report.compare.command import compare_revisions

    formats = {
        "table": text_tables.to_text,
        "csv": text_tables.to_csv,
        "markdown": text_tables.to_markdown,
    }
    try:
        result = compare_revisions(args.revisions, args.all_commits, args.against)
        if args.page:
            from tench.report.compare.html_page import render_comparison
            from tench.report.page.publish import write_page

            write_page(render_comparison(result), args.page)
        with ignore_closed_pipe():
            print(text_tables.printable(formats[args.format](result)), flush=True)
        if args.format == "csv":
            notes = "\n".join(f"- {note}" for note in result.notes)
            print(text_tables.printable(notes), file=sys.stderr)
        if args.page:
            print(f"page: {args.page.resolve().as_uri()}", file=sys.stderr)
    except TenchError as error:
        print(f"error: {text_tables.printable(str(error))}", file=sys.stderr)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
