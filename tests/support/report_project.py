"""A project with handmade results, to test the report without a run."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image
from pipeline_clones import CHECKOUT, commit_all, run_git
from ruamel.yaml import YAML
from small_images import list_prepared_paths, write_prepared_image

from tench.core import paths
from tench.core.files import write_csv, write_json, write_text
from tench.core.names import MODEL_NAMES, SPLITS
from tench.core.zip_packs import read_from_pack, write_pack
from tench.report.lock.provenance import with_source_stages
from tench.run.dvc_digest import dvc_digest
from tench.run.dvc_files import read_lock_files
from tench.run.record import RunRecord, record_file

CLASS_NAMES = ("dog", "fish", "radio")
PACKAGE_VERSIONS = {"keras": "3.13.0", "numpy": "2.4.0"}
PAIR_KINDS = ("exact", "near", "similar")


def make_scores(*groups: str) -> dict[str, Any]:
    """Return the content of metrics/evaluate.json, with these groups of images."""

    def one() -> dict[str, Any]:
        intervals = {"accuracy_interval": [0.4, 0.9], "loss_interval": [0.2, 0.6]}
        return {"accuracy": 2 / 3, "loss": 0.4, "images": 3, **intervals}

    model = {**one(), "calibration_error": 0.1, **{group: one() for group in groups}}
    test = {"only_frozen": 1, "only_finetuned": 2, "p_value": 1.0}
    return {
        **dict.fromkeys(MODEL_NAMES, model),
        "mcnemar": test,
        "macro_f1": 0.6,
        "balanced_accuracy": 0.7,
    }


def make_audit(leaks: int, **across: int) -> dict[str, Any]:
    """Return the content of metrics/audit.json, with a number of pairs across splits by kind."""
    return {
        "images": 9,
        "leaks": leaks,
        "duplicates": {
            kind: {"across_splits": across.get(kind, 0), "within_a_split": 1} for kind in PAIR_KINDS
        },
        "label_suspects": 1,
        "image_issues": {"dark": 1, "odd_size": 0},
        "balance": {"smallest_class": 1, "largest_class": 1, "ratio": 1.0},
    }


def make_export_metrics(confidence: float | None = 0.8) -> dict[str, Any]:
    """Return the content of metrics/export.json; None: no confidence threshold is enough."""
    one = {"accuracy": 2 / 3, "difference": 1e-6, "bytes": 9_000_000}
    accepted = {"accepted": 0.9, "accuracy": 0.995} if confidence else {"accepted": 0.0}
    low_confidence = 0.09 if confidence else 0.99
    test = {"out_of_distribution": 0.01, "low_confidence": low_confidence, **accepted}
    thresholds = {"confidence": confidence, "distance": 0.48, "test": test}
    return {**dict.fromkeys(("float32", "int8", "onnx", "keras"), one), "thresholds": thresholds}


def write_epochs(stage: str, epochs: Iterable[int]) -> None:
    """Write the metrics files of DVCLive for a training stage."""
    for split in ("train", "val"):
        for metric in ("loss", "accuracy"):
            rows = [(epoch, 0.5) for epoch in epochs]
            file = paths.METRICS / stage / f"plots/metrics/{split}/{metric}.tsv"
            write_text("".join(f"{a}\t{b}\n" for a, b in [("step", metric), *rows]), file)


def write_audit(pairs: Iterable[tuple[str, str, int]], leaks: int) -> None:
    """Write the audit's files; pairs are (kind, similarity, whether across splits)."""
    rows = [
        (kind, similarity, across, 1, *(f"{s}/dog.zip/a.webp" for s in ("train", "test")), "a", "b")
        for kind, similarity, across in pairs
    ]
    columns = ("kind", "similarity", "across_splits", "same_label")
    ends = ("first", "second", "first_source", "second_source")
    write_csv((*columns, *ends), rows, paths.DUPLICATES)
    label_columns = ("label", "suggestion", "label_probability", "suggestion_probability")
    write_csv(
        ("path", *label_columns, "source"),
        [("train/dog.zip/a.webp", "dog", "fish", 0.01, 0.98, "a.jpg")],
        paths.LABEL_SUSPECTS,
    )
    write_csv(
        ("path", "issue", "score", "source"),
        [("train/fish.zip/a.webp", "dark", 0.1, "c.jpg")],
        paths.IMAGE_ISSUES,
    )
    write_json(
        make_audit(leaks, **{kind: 1 for kind, _, across in pairs if across}), paths.AUDIT_METRICS
    )


def write_report_inputs() -> None:
    """Write all inputs of the stage `report`: three classes with an image in each split."""
    for split in SPLITS:
        for shade, name in enumerate(CLASS_NAMES):
            image = Image.new("RGB", (32, 32), (60 * shade, 90, 200))
            write_prepared_image(image, paths.PREPARED / split / f"{name}.zip/a.webp")
    write_pack(
        [(path, read_from_pack(paths.PREPARED / path)) for path in list_prepared_paths()],
        paths.AUDIT_IMAGES,
    )
    write_text("path\n", paths.INDEX)
    counts = {split: {"images": len(CLASS_NAMES)} for split in SPLITS}
    write_json({"classes": len(CLASS_NAMES), **counts}, paths.SPLIT_METRICS)
    Image.new("RGB", (64, 32)).save(paths.EXAMPLES)
    write_text("┃ Layer (type) ┃ <b>\n", paths.MODEL_SUMMARY)
    write_audit([], 0)
    write_epochs("extract-train", (1, 2, 3))
    write_epochs("finetune", (4, 5, 6))
    write_json(make_scores("seen", "unseen"), paths.SCORES)
    write_json({split: make_scores()["frozen"] for split in ("val", "test")}, paths.PROBE_SCORES)
    write_json(make_export_metrics(), paths.EXPORT_SCORES)
    columns = ("path", "label", "prediction", "probability", "label_probability", "rank")
    predictions = [
        (f"test/{name}.zip/a.webp", name, CLASS_NAMES[0], 0.9, 0.05, 2) for name in CLASS_NAMES
    ]
    write_csv(columns, predictions, paths.PREDICTIONS)
    per_class = [(name, 0.5, 1.0, 0.6, 1) for name in CLASS_NAMES]
    write_csv(("class_name", "precision", "recall", "f1", "images"), per_class, paths.PER_CLASS)
    for model in MODEL_NAMES:
        bins = [(0.9, 0.6, 3)]
        write_csv(("confidence", "accuracy", "images"), bins, paths.CALIBRATION / f"{model}.csv")
    paths.MISTAKES.mkdir()
    Image.new("RGB", (64, 32)).save(paths.MISTAKES / "01-1.jpg")


def write_stage_lock(
    stage: str,
    deps: Iterable[Path] = (),
    outs: Iterable[Path] = (),
    pipeline: int = 0,
    **params: Any,
) -> None:
    """Lock a stage with the current files in one of the lock files, as `dvc repro` does."""
    file = paths.PIPELINES[pipeline].with_suffix(".lock")
    yaml = YAML(typ="safe", pure=True)
    content = (yaml.load(file) if file.exists() else None) or {"stages": {}}

    def entries(files: Iterable[Path]) -> list[dict[str, str]]:
        return [{"path": path.as_posix(), "md5": dvc_digest(path)} for path in files]

    values = {"params.yaml": params.get("params", {}), "packages.yaml": params.get("packages", {})}
    content["stages"][stage] = {"deps": entries(deps), "outs": entries(outs), "params": values}
    file.parent.mkdir(exist_ok=True)
    yaml.dump(content, file)


def write_pipeline_lock(**values: Any) -> None:
    """Lock a small pipeline with the parameters of params.yaml, some replaced by dotted key."""
    params = YAML(typ="safe", pure=True).load(paths.PARAMS)
    for key, value in values.items():
        *sections, name = key.split(".")
        mapping = params
        for section in sections:
            mapping = mapping[section]
        mapping[name] = value
    raw = Path(params["data"]["raw"])
    write_stage_lock("raw", outs=[paths.RAW], pipeline=1, params={"data.raw": str(raw)})
    seed, data = {"seed": params["seed"]}, {"data": params["data"]}
    write_stage_lock(
        "prepare", [paths.RAW, raw], [paths.PREPARED], params=data, packages=PACKAGE_VERSIONS
    )
    write_stage_lock("split", [paths.PREPARED_INDEX], [paths.SPLIT], params=seed | data)
    tuning = {"finetune": params["finetune"], "backbone.cache_at": params["backbone"]["cache_at"]}
    write_stage_lock(
        "finetune", [paths.INDEX, Path("tench")], [paths.CLASSIFIER], params=seed | tuning
    )
    write_stage_lock("report", [paths.SCORES], [paths.REPORT_PAGE], params=seed | data)


def write_run_record(stage: str, **changes: Any) -> Path:
    """Write the record of a run that made the stage's outputs in dvc.lock; return its file."""
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
        "packages": PACKAGE_VERSIONS,
        "facts": {},
    } | changes
    file = record_file(stage, content["outs"])
    write_json(RunRecord.model_validate(content).model_dump(), file)
    return file


def make_report_project(folder: Path) -> None:
    """Make a repository in `folder`, which must be the current folder.

    It has committed code and parameters, results, lock files and a page.
    """
    Path("tench").mkdir()
    shutil.copy(CHECKOUT / paths.PARAMS, folder)
    write_text("code = 1\n", Path("tench/code.py"))
    write_text(json.dumps(PACKAGE_VERSIONS), paths.PACKAGES)
    write_text("data\nmetrics\nmodels\nreport\n*.lock\n", Path(".gitignore"))
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    commit_all(folder)
    write_report_inputs()
    write_text("data/imagenette\n", paths.RAW)
    write_text("weights", paths.CLASSIFIER)
    write_text("<!-- run -->", paths.REPORT_PAGE)
    write_pipeline_lock()


def read_locked_stages() -> dict[str, Any]:
    """Return the locked stages of the results."""
    return with_source_stages(*read_lock_files())


def table_texts(table: dict[str, Any]) -> list[list[str]]:
    """Return the cells of a table as text."""
    return [[str(cell) for cell in row] for row in table["rows"]]
