"""Publish the report as report/index.html: `python -m tench.report.page.publish`.

The stage `report` writes report/page.html, a DVC output with the same bytes for the same results.
report/index.html is a copy that adds what varies between runs: cost, machines, and differences from
the commit.
"""

import base64
import hashlib
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tench.core.errors import TenchError
from tench.core.files import read_json, write_text
from tench.core.names import BIDI_CONTROLS, escape_control_characters
from tench.core.paths import (
    BACKBONE,
    BASELINE_SCORES,
    CLASSIFIER,
    INDEX,
    PREPARED,
    REPORT_INDEX,
    REPORT_PAGE,
    SCORES,
)
from tench.report.lock.provenance import with_source_stages
from tench.report.page.contents import format_with_interval, metric_chart
from tench.report.page.reproduction import reproduction_section
from tench.report.page.run_costs import cost_section, find_run_records
from tench.report.page.tables import Table, page_table
from tench.run.dvc_digest import dvc_digest
from tench.run.dvc_files import Stages, all_stage_digests, read_lock_files, stage_digests
from tench.run.record import RunRecord

TEMPLATES = Path(__file__).parent / "templates"
UNSAFE_CHARACTERS = re.compile(
    rf"[\0-\x08\x0b-\x1f\x7f-\x9f{''.join(sorted(BIDI_CONTROLS))}\ud800-\udfff]"
)
RUN_PLACEHOLDER = "<!-- run -->"  # in page.html, replaced by what varies between runs
LISTED_OUTPUTS = (PREPARED, BACKBONE, CLASSIFIER)  # shown with their digests


def escape_unsafe(value: object) -> object:
    """Escape bidirectional and control characters, except tabs and line ends, as Python does.

    Values that are not text are returned unchanged.
    """

    def escape_match(match: re.Match[str]) -> str:
        return escape_control_characters(match[0], BIDI_CONTROLS)

    if not isinstance(value, str):
        return value
    return type(value)(UNSAFE_CHARACTERS.sub(escape_match, value))  # Markup stays Markup


@cache
def page_templates() -> Environment:
    """Load the templates. Values are escaped, and undefined names are errors."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=escape_unsafe,
    )
    environment.globals["table"] = environment.get_template("table.html").module.table  # type: ignore[attr-defined]
    return environment


def render_page(
    contents: dict[str, Any], name: str = "report.html", folder: Path = TEMPLATES
) -> str:
    """Render a self-contained HTML page.

    Args:
        contents: Template context.
        name: Name of the template, which extends page.html.
        folder: Folder of the template.
    """
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        page_templates()
        .overlay(loader=FileSystemLoader([folder, TEMPLATES]))
        .get_template(name)
        .render(
            contents,
            script=Markup(script),
            script_digest=f"sha256-{digest}",  # the only script that the page allows
            style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        )
    )


def write_page(text: str, file: Path) -> None:
    """Write a page. Raises TenchError if the file cannot be written."""
    try:
        write_text(text, file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TenchError(
            f"{file}: cannot be written ({reason}); make it writable and run the command again"
        ) from None


def output_table(stages: Stages) -> Table:
    """Return the digests of the main outputs."""
    digests = all_stage_digests(stages, "outs")
    rows = [(file, digests[str(file)]) for file in LISTED_OUTPUTS if str(file) in digests]
    return page_table(("output", "MD5 in dvc.lock"), rows, text=True)


def baseline_is_comparable(baseline: Stages) -> bool:
    """Check that the baseline was run on the current split and that its scores are current."""
    digests = all_stage_digests(baseline, "deps") | all_stage_digests(baseline, "outs")
    return all(digests.get(str(file)) == dvc_digest(file) for file in (INDEX, BASELINE_SCORES))


def baseline_comparison(runs: dict[str, RunRecord]) -> dict[str, Any]:
    """Compare the network trained from scratch with the transfer model."""
    models = (
        ("from scratch", read_json(BASELINE_SCORES), ("baseline",)),
        (
            "transfer, fine-tuned",
            read_json(SCORES)["finetuned"],
            ("embed", "extract-train", "finetune"),
        ),
    )
    rows = []
    for name, scores, stages in models:
        seconds = [runs[stage].seconds for stage in stages if stage in runs]
        figures = [format_with_interval(scores, metric) for metric in ("accuracy", "loss")]
        complete = len(seconds) == len(stages)
        rows.append((name, *figures, f"{sum(seconds):.0f}" if complete else "unknown"))
    header = ("model", "test accuracy", "test loss", "training time, s")
    return {
        "table": page_table(header, rows),
        "accuracy": metric_chart("accuracy", ["baseline"]),
        "loss": metric_chart("loss", ["baseline"]),
    }


def publish(*, ended: bool) -> None:
    """Write report/index.html from report/page.html.

    Args:
        ended: Whether the stage `report` has ended. Before that, dvc.lock describes an older page.

    Raises:
        TenchError: report/page.html is missing or does not match dvc.lock, or the file cannot be
            written.
    """
    if not REPORT_PAGE.exists():
        raise TenchError(f"{REPORT_PAGE}: not found; run `dvc repro` first")
    main, others = read_lock_files()
    locked = main.get("report", {})
    if not ended:
        main.pop("report", None)
    elif stage_digests(locked, "outs").get(str(REPORT_PAGE), "") not in {
        "",
        dvc_digest(REPORT_PAGE),
    }:
        raise TenchError(f"{REPORT_PAGE}: does not match dvc.lock; run `dvc repro` first")
    baseline = {name: stage for name, stage in others.items() if name == "baseline"}
    comparable = baseline_is_comparable(baseline)
    stages = with_source_stages(main, others) | (baseline if comparable else {})
    runs = find_run_records(stages)
    run = (
        page_templates()
        .get_template("run.html")
        .render(
            outputs=output_table(stages),
            reproduction=reproduction_section(stages),
            cost=cost_section(stages, runs),
            baseline=baseline_comparison(runs) if comparable else None,
        )
    )
    write_page(REPORT_PAGE.read_text(encoding="utf-8").replace(RUN_PLACEHOLDER, run), REPORT_INDEX)


def main() -> None:
    try:
        publish(ended=True)
    except TenchError as error:
        sys.exit(f"error: {error}")
    print(f"report: {REPORT_INDEX.resolve().as_uri()}")


if __name__ == "__main__":
    main()
