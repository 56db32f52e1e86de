"""report: one page that says what came out, how far to believe it, and why.

In:  metrics/ with the pictures it shows, params.yaml.
Out: report/page.html, the same bytes for the same results; and beside it, not DVC's,
     report/index.html: the page with what differs from run to run (seconds, machines, what
     is not as in the commit). `make report` writes the latter anew.
"""

from tench.console.stage import run_stage
from tench.core.params import load_params
from tench.core.paths import PAGE
from tench.reporting.publish import publish, render, write_page
from tench.reporting.report import contents


def main() -> None:
    write_page(render(contents(load_params())), PAGE)
    publish(ended=False)


if __name__ == "__main__":
    run_stage(main, [PAGE])
