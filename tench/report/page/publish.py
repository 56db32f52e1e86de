"""report/index.html: the report with what differs from run to run.

The stage `report` writes report/page.html, the same bytes for the same results, which is what DVC
keeps. What the runs cost, where they ran and how they differ from the commit is put into the copy
that people open: `python -m tench.report.page.publish`.
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
RUN_PLACEHOLDER = "<!-- run -->"  # in the page, for what differs
LISTED_OUTPUTS = (PREPARED, BACKBONE, CLASSIFIER)  # outputs whose digests are shown


def escape_unsafe(value: object) -> object:
    """A text with what turns those beside it round, and control characters but line ends and tabs,
    as Python writes them; anything else as it is."""
    return (
        type(value)(UNSAFE_CHARACTERS.sub(escape_match, value)) if isinstance(value, str) else value
    )


def escape_match(found: re.Match[str]) -> str:
    """A character as Python writes it."""
    return escape_control_characters(found[0], BIDI_CONTROLS)


@cache
def page_templates() -> Environment:
    """The templates; whatever they show is escaped, and what is missing is an error."""
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
    """A page: one file that needs no network.

    Args:
        contents: what its template shows; a report's are without what differs from run to run.
        name: of the template, which extends page.html.
        folder: where it lies.
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
            script_digest=f"sha256-{digest}",  # no other script may run
            style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        )
    )


def write_page(text: str, file: Path) -> None:
    """Write a page. Raises TenchError where the machine does not let it."""
    try:
        write_text(text, file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TenchError(
            f"{file}: cannot be written ({reason}): allow it, then run `dvc repro` again; the "
            "results are in metrics/ and models/ all the same"
        ) from None


def output_table(stages: Stages) -> Table:
    """The digests of the outputs that are passed on."""
    made = all_stage_digests(stages, "outs")
    rows = [(file, made[str(file)]) for file in LISTED_OUTPUTS if str(file) in made]
    return page_table(("output", "MD5 in dvc.lock"), rows, text=True)


def baseline_is_comparable(baseline: Stages) -> bool:
    """Whether the network from scratch was run on these very images, and its scores are at
    hand."""
    known = all_stage_digests(baseline, "deps") | all_stage_digests(baseline, "outs")
    return all(known.get(str(file)) == dvc_digest(file) for file in (INDEX, BASELINE_SCORES))


def baseline_comparison(runs: dict[str, RunRecord]) -> dict[str, Any]:
    """The network from scratch beside the transfer model."""
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
        known = len(seconds) == len(stages)
        rows.append((name, *figures, f"{sum(seconds):.0f}" if known else "not run here"))
    header = ("model", "test accuracy", "test loss", "seconds to train")
    return {
        "table": page_table(header, rows),
        "accuracy": metric_chart("accuracy", ["baseline"]),
        "loss": metric_chart("loss", ["baseline"]),
    }


def publish(*, ended: bool) -> None:
    """Write report/index.html from report/page.html. Raises TenchError.

    Args:
        ended: whether the stage `report` has ended: only then does dvc.lock tell of this page.
    """
    if not REPORT_PAGE.exists():
        raise TenchError(f"{REPORT_PAGE}: no such file; run `dvc repro` first")
    main, others = read_lock_files()
    page = main.get("report", {})
    if not ended:
        main.pop("report", None)
    elif stage_digests(page, "outs").get(str(REPORT_PAGE), "") not in {"", dvc_digest(REPORT_PAGE)}:
        raise TenchError(
            f"{REPORT_PAGE}: not the page that dvc.lock tells of; run `dvc repro` first"
        )
    baseline = {name: stage for name, stage in others.items() if name == "baseline"}
    beside = baseline_is_comparable(baseline)
    stages = with_source_stages(main, others) | (baseline if beside else {})
    runs = find_run_records(stages)
    run = (
        page_templates()
        .get_template("run.html")
        .render(
            outputs=output_table(stages),
            reproduction=reproduction_section(stages),
            cost=cost_section(stages, runs),
            baseline=baseline_comparison(runs) if beside else None,
        )
    )
    write_page(REPORT_PAGE.read_text(encoding="utf-8").replace(RUN_PLACEHOLDER, run), REPORT_INDEX)


def main() -> None:
    try:
        publish(ended=True)
    except TenchError as error:
        sys.exit(f"error: {error}")
    print(f"the report: {REPORT_INDEX.resolve().as_uri()}")


if __name__ == "__main__":
    main()
