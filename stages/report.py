"""report: one page that says what came out, how far to believe it, and why.

In:  metrics/, the pictures it shows from data/prepared, params.yaml.
Out: report/page.html, the same bytes for the same results; and beside it, not DVC's,
     report/index.html: the page with what differs from run to run (seconds, commit, machine).
     `make report` writes the latter anew.
"""

from tench.cli import run_stage
from tench.params import load_params
from tench.publish import PAGE, publish, render
from tench.report import contents


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(contents(load_params())), encoding="utf-8")
    publish()


if __name__ == "__main__":
    run_stage(main)
