"""report: one page that says what came out, how far to believe it, and why.

In:  metrics/ with the images it shows, params.yaml.
Out: report/page.html, the same bytes for the same results; and beside it, not DVC's,
     report/index.html: the page with what differs from run to run (seconds, machines, what
     is not as in the commit). `make report` writes the latter anew.
"""

from tench.core.params import load_params
from tench.core.paths import REPORT_PAGE
from tench.report.page.contents import report_contents
from tench.report.page.publish import publish, render_page, write_page
from tench.run.runner import run_stage


def main() -> None:
    write_page(render_page(report_contents(load_params())), REPORT_PAGE)
    publish(ended=False)


if __name__ == "__main__":
    run_stage(main, [REPORT_PAGE])
