"""report/index.html: the report with what differs from run to run.

The stage `report` writes report/page.html, the same bytes for the same results, which is what DVC
keeps. What the runs cost, where they ran and how they differ from the commit is put into the copy
that people open: `python -m tench.reporting.publish`.
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

from tench.console.record import Record
from tench.core.digests import dvc_digest
from tench.core.errors import TenchError
from tench.core.files import read_json, write_text
from tench.core.names import TURNING, visible
from tench.core.paths import (
    BACKBONE,
    BASELINE_SCORES,
    CLASSIFIER,
    INDEX,
    OPEN_PAGE,
    PAGE,
    PREPARED,
    SCORES,
)
from tench.core.pipelines import Stages, all_digests, digests, locked
from tench.reporting.costs import cost, records
from tench.reporting.locks import with_sources
from tench.reporting.report import curve, with_interval
from tench.reporting.reproducing import reproduction
from tench.reporting.tables import Table, page_table

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = re.compile(rf"[\0-\x08\x0b-\x1f\x7f-\x9f{''.join(sorted(TURNING))}\ud800-\udfff]")
PLACE = "<!-- run -->"  # in the page, for what differs
NAMED = (PREPARED, BACKBONE, CLASSIFIER)  # outputs whose digests are shown


def as_seen(value: object) -> object:
    """A text with what turns those beside it round, and control characters but line ends and tabs,
    as Python writes them; anything else as it is."""
    return type(value)(SHOWN.sub(escaped, value)) if isinstance(value, str) else value


def escaped(found: re.Match[str]) -> str:
    """A character as Python writes it."""
    return visible(found[0], TURNING)


@cache
def templates() -> Environment:
    """The templates; whatever they show is escaped, and what is missing is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=as_seen,
    )
    environment.globals["table"] = environment.get_template("table.html").module.table  # type: ignore[attr-defined]
    return environment


def render(contents: dict[str, Any], name: str = "report.html", folder: Path = TEMPLATES) -> str:
    """A page: one file that needs no network.

    Args:
        contents: what its template shows; a report's are without what differs from run to run.
        name: of the template, which extends page.html.
        folder: where it lies.
    """
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        templates()
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


def outputs(stages: Stages) -> Table:
    """The digests of the outputs that are passed on."""
    made = all_digests(stages, "outs")
    rows = [(file, made[str(file)]) for file in NAMED if str(file) in made]
    return page_table(("output", "MD5 in dvc.lock"), rows, text=True)


def of_these_pictures(baseline: Stages) -> bool:
    """Whether the network from scratch was run on these very pictures, and its scores are at
    hand."""
    known = all_digests(baseline, "deps") | all_digests(baseline, "outs")
    return all(known.get(str(file)) == dvc_digest(file) for file in (INDEX, BASELINE_SCORES))


def beside_baseline(runs: dict[str, Record]) -> dict[str, Any]:
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
        figures = [with_interval(scores, metric) for metric in ("accuracy", "loss")]
        known = len(seconds) == len(stages)
        rows.append((name, *figures, f"{sum(seconds):.0f}" if known else "not run here"))
    header = ("model", "test accuracy", "test loss", "seconds to train")
    return {
        "table": page_table(header, rows),
        "accuracy": curve("accuracy", ["baseline"]),
        "loss": curve("loss", ["baseline"]),
    }


def publish(*, ended: bool) -> None:
    """Write report/index.html from report/page.html. Raises TenchError.

    Args:
        ended: whether the stage `report` has ended: only then does dvc.lock tell of this page.
    """
    if not PAGE.exists():
        raise TenchError(f"{PAGE}: no such file; run `dvc repro` first")
    main, others = locked()
    page = main.get("report", {})
    if not ended:
        main.pop("report", None)
    elif digests(page, "outs").get(str(PAGE), "") not in {"", dvc_digest(PAGE)}:
        raise TenchError(f"{PAGE}: not the page that dvc.lock tells of; run `dvc repro` first")
    baseline = {name: stage for name, stage in others.items() if name == "baseline"}
    beside = of_these_pictures(baseline)
    stages = with_sources(main, others) | (baseline if beside else {})
    runs = records(stages)
    run = (
        templates()
        .get_template("run.html")
        .render(
            outputs=outputs(stages),
            reproduction=reproduction(stages),
            cost=cost(stages, runs),
            baseline=beside_baseline(runs) if beside else None,
        )
    )
    write_page(PAGE.read_text(encoding="utf-8").replace(PLACE, run), OPEN_PAGE)


def main() -> None:
    try:
        publish(ended=True)
    except TenchError as error:
        sys.exit(f"error: {error}")
    print(f"the report: {OPEN_PAGE.resolve().as_uri()}")


if __name__ == "__main__":
    main()
