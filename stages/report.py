"""report: write an HTML page with the results, their uncertainty and the findings of the audit.

In:  metrics/ with its images, data/split/index.csv, params.yaml.
Out: report/page.html: equal bytes for equal results;
     report/index.html: that page with what differs from run to run (seconds, machines, changes
     since the commit). It is no DVC output; `make report` writes it again.
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
