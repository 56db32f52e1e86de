"""A project with results made by hand, to test the report without a run."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clones import CHECKOUT, commit, git
from PIL import Image
from ruamel.yaml import YAML
from small_pictures import packed, put_prepared

from tench.console.record import Record, record_file
from tench.core import paths
from tench.core.digests import dvc_digest
from tench.core.files import write_csv, write_json, write_text
from tench.core.names import MODELS, SPLITS
from tench.core.packs import read_packed, write_pack
from tench.core.pipelines import locked
from tench.reporting.locks import with_sources

NAMES = ("dog", "fish", "radio")
PACKAGES = {"keras": "3.13.0", "numpy": "2.4.0"}
KINDS = ("exact", "near", "similar")


def scores(*groups: str) -> dict[str, Any]:
    """The content of metrics/evaluate.json, with these groups beside all pictures."""

    def one() -> dict[str, Any]:
        intervals = {"accuracy_interval": [0.4, 0.9], "loss_interval": [0.2, 0.6]}
        return {"accuracy": 2 / 3, "loss": 0.4, "pictures": 3, **intervals}

    model = {**one(), "calibration_error": 0.1, **{group: one() for group in groups}}
    test = {"only_frozen": 1, "only_finetuned": 2, "p_value": 1.0}
    return {
        **dict.fromkeys(MODELS, model),
        "mcnemar": test,
        "macro_f1": 0.6,
        "balanced_accuracy": 0.7,
    }


def audit(leaks: int, **across: int) -> dict[str, Any]:
    """The content of metrics/audit.json, with so many pairs across splits by kind."""
    return {
        "pictures": 9,
        "leaks": leaks,
        "duplicates": {
            kind: {"across_splits": across.get(kind, 0), "within_a_split": 1} for kind in KINDS
        },
        "label_suspects": 1,
        "picture_issues": {"dark": 1, "odd_size": 0},
        "balance": {"smallest_class": 1, "largest_class": 1, "ratio": 1.0},
    }


def exports(confidence: float | None = 0.8) -> dict[str, Any]:
    """The content of metrics/export.json; without a confidence, none is enough."""
    one = {"accuracy": 2 / 3, "difference": 1e-6, "bytes": 9_000_000}
    believed = {"believed": 0.9, "accuracy": 0.995} if confidence else {"believed": 0.0}
    test = {"strangers": 0.01, "unsure": 0.09 if confidence else 0.99, **believed}
    trust = {"confidence": confidence, "distance": 0.48, "test": test}
    return {**dict.fromkeys(("float32", "int8", "onnx", "keras"), one), "trust": trust}


def write_epochs(stage: str, epochs: Iterable[int]) -> None:
    """Write what DVCLive leaves of a training stage."""
    for split in ("train", "val"):
        for metric in ("loss", "accuracy"):
            rows = [(epoch, 0.5) for epoch in epochs]
            file = paths.METRICS / stage / f"plots/metrics/{split}/{metric}.tsv"
            write_text("".join(f"{a}\t{b}\n" for a, b in [("step", metric), *rows]), file)


def write_audit(pairs: Iterable[tuple[str, str, int]], leaks: int) -> None:
    """Write the audit's files, with pairs of a kind, a similarity, and whether across splits."""
    rows = [
        (kind, similarity, across, 1, *(f"{s}/dog.zip/a.webp" for s in ("train", "test")), "a", "b")
        for kind, similarity, across in pairs
    ]
    columns = ("kind", "similarity", "across_splits", "same_label")
    ends = ("first", "second", "first_source", "second_source")
    write_csv((*columns, *ends), rows, paths.DUPLICATES)
    doubts = ("label", "suggestion", "label_probability", "suggestion_probability")
    write_csv(
        ("path", *doubts, "source"),
        [("train/dog.zip/a.webp", "dog", "fish", 0.01, 0.98, "a.jpg")],
        paths.LABEL_SUSPECTS,
    )
    write_csv(
        ("path", "issue", "score", "source"),
        [("train/fish.zip/a.webp", "dark", 0.1, "c.jpg")],
        paths.PICTURE_ISSUES,
    )
    write_json(audit(leaks, **{kind: 1 for kind, _, across in pairs if across}), paths.AUDIT)


def write_results() -> None:
    """Write everything the stage `report` reads, of three classes with a picture in each split."""
    for split in SPLITS:
        for shade, name in enumerate(NAMES):
            picture = Image.new("RGB", (32, 32), (60 * shade, 90, 200))
            put_prepared(picture, paths.PREPARED / split / f"{name}.zip/a.webp")
    write_pack([(path, read_packed(paths.PREPARED / path)) for path in packed()], paths.FOUND)
    write_text("path\n", paths.INDEX)
    counts = {split: {"pictures": len(NAMES)} for split in SPLITS}
    write_json({"classes": len(NAMES), **counts}, paths.COUNTS)
    Image.new("RGB", (64, 32)).save(paths.EXAMPLES)
    write_text("┃ Layer (type) ┃ <b>\n", paths.MODEL_SUMMARY)
    write_audit([], 0)
    write_epochs("extract-train", (1, 2, 3))
    write_epochs("finetune", (4, 5, 6))
    write_json(scores("seen", "unseen"), paths.SCORES)
    write_json({split: scores()["frozen"] for split in ("val", "test")}, paths.PROBE_SCORES)
    write_json(exports(), paths.EXPORT_SCORES)
    columns = ("path", "label", "prediction", "probability", "label_probability", "rank")
    predictions = [(f"test/{name}.zip/a.webp", name, NAMES[0], 0.9, 0.05, 2) for name in NAMES]
    write_csv(columns, predictions, paths.PREDICTIONS)
    per_class = [(name, 0.5, 1.0, 0.6, 1) for name in NAMES]
    write_csv(("class_name", "precision", "recall", "f1", "pictures"), per_class, paths.PER_CLASS)
    for model in MODELS:
        bins = [(0.9, 0.6, 3)]
        write_csv(("confidence", "accuracy", "pictures"), bins, paths.CALIBRATION / f"{model}.csv")
    paths.MISTAKES.mkdir()
    Image.new("RGB", (64, 32)).save(paths.MISTAKES / "01-1.jpg")


def lock(
    stage: str,
    deps: Iterable[Path] = (),
    outs: Iterable[Path] = (),
    pipeline: int = 0,
    **params: Any,
) -> None:
    """Lock a stage with what lies in the folder, in one of the lock files, as `dvc repro` does."""
    file = paths.PIPELINES[pipeline].with_suffix(".lock")
    yaml = YAML(typ="safe", pure=True)
    content = (yaml.load(file) if file.exists() else None) or {"stages": {}}

    def entries(some: Iterable[Path]) -> list[dict[str, str]]:
        return [{"path": path.as_posix(), "md5": dvc_digest(path)} for path in some]

    values = {"params.yaml": params.get("params", {}), "packages.yaml": params.get("packages", {})}
    content["stages"][stage] = {"deps": entries(deps), "outs": entries(outs), "params": values}
    file.parent.mkdir(exist_ok=True)
    yaml.dump(content, file)


def lock_all(**values: Any) -> None:
    """Lock a small pipeline with the parameters of params.yaml, or others by dotted key."""
    params = YAML(typ="safe", pure=True).load(paths.PARAMS)
    for key, value in values.items():
        *sections, name = key.split(".")
        place = params
        for section in sections:
            place = place[section]
        place[name] = value
    raw = Path(params["data"]["raw"])
    lock("raw", outs=[paths.RAW], pipeline=1, params={"data.raw": str(raw)})
    seed, data = {"seed": params["seed"]}, {"data": params["data"]}
    lock("prepare", [paths.RAW, raw], [paths.PREPARED], params=data, packages=PACKAGES)
    lock("split", [paths.PICTURES], [paths.SPLIT], params=seed | data)
    tuning = {"finetune": params["finetune"], "backbone.tap_at": params["backbone"]["tap_at"]}
    lock("finetune", [paths.INDEX, Path("tench")], [paths.CLASSIFIER], params=seed | tuning)
    lock("report", [paths.SCORES], [paths.PAGE], params=seed | data)


def record(stage: str, **changes: Any) -> Path:
    """Write the record of a run that wrote what dvc.lock has of the stage; return its file."""
    yaml, outs = YAML(typ="safe", pure=True), {}
    for pipeline in paths.PIPELINES:
        file = pipeline.with_suffix(".lock")
        stages = (yaml.load(file) or {}).get("stages", {}) if file.exists() else {}
        outs |= {out["path"]: out["md5"] for out in stages.get(stage, {}).get("outs", [])}
    content = {
        "stage": stage,
        "outs": outs,
        "seconds": 61.25,
        "peak_mb": 1234.5,
        "ended": "2026-01-02 03:04:05",
        "commit": "0123456789abcdef",
        "changed": [],
        "python": "3.11.2",
        "system": "Linux x86_64",
        "processor": "Quick 1, avx2",
        "cores": 2,
        "packages": PACKAGES,
        "facts": {},
    } | changes
    found = record_file(stage, content["outs"])
    write_json(Record.model_validate(content).model_dump(), found)
    return found


def make_project(folder: Path) -> None:
    """Make a repository with committed code and parameters, results, lock files and a page in
    `folder`, the current one."""
    Path("tench").mkdir()
    shutil.copy(CHECKOUT / paths.PARAMS, folder)
    write_text("code = 1\n", Path("tench/code.py"))
    write_text(json.dumps(PACKAGES), paths.PACKAGES)
    write_text("data\nmetrics\nmodels\nreport\n*.lock\n", Path(".gitignore"))
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    write_results()
    write_text("data/imagenette\n", paths.RAW)
    write_text("weights", paths.CLASSIFIER)
    write_text("<!-- run -->", paths.PAGE)
    lock_all()


def stages() -> dict[str, Any]:
    """The stages that the lock files have of the results."""
    return with_sources(*locked())


def texts(table: dict[str, Any]) -> list[list[str]]:
    """The cells of a table."""
    return [[str(cell) for cell in row] for row in table["rows"]]
