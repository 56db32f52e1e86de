"""More parameters that rerun the stages that depend on them and no others."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from pipeline_clones import run_dvc, set_params, stages_run
from reruns import (
    CARD,
    EMBED,
    EXTRACT,
    FINETUNE,
    PREPARE,
    SPLIT,
    check_reruns,
    planned_stages,
)

ROWS = [
    ("finetune.epochs", 1, {"finetune", *CARD}, FINETUNE),
    ("finetune.fine_tune_at", 140, FINETUNE, FINETUNE),
    ("extract_train.learning_rate", 1e-3, {"extract-train", "finetune", *CARD}, EXTRACT),
    ("class_weights", "balanced", {"probe", *EXTRACT} - {"evaluate"}, {"probe", *EXTRACT}),
    ("extract_train.solver", "logistic", EXTRACT, EXTRACT),
    ("audit.max_leaks", 3, {"audit", *CARD}, {"audit", *CARD}),
    ("export.max_accuracy_drop", 0.1, CARD, CARD),
    ("extract_train.dense_units", 32, {"audit", *EXTRACT}, {"audit", *EXTRACT}),
    ("backbone.engine", "tensorflow", {"embed", *FINETUNE}, EMBED),
    ("data.test_fraction", 0.3, {"split", *CARD}, SPLIT),
    ("data.classes.n01440764", "tench", {"prepare", *CARD}, PREPARE),
]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize(
    ("key", "value", "first", "stages"),
    ROWS,
)
def test_what_depends_on_a_parameter_runs_again(
    unchanged: Path, key: str, value: Any, first: set[str], stages: set[str]
) -> None:
    check_reruns(unchanged, key, value, first, stages)


def test_another_cache_at_leaves_the_pooled_features_and_the_head(own_project: Path) -> None:
    pooled, tapped = (own_project / "data/features" / name for name in ("pooled", "activations"))
    before = digests(pooled), digests(tapped)
    set_params(
        own_project, {"backbone.cache_at": "auto", "finetune.fine_tune_at": "block_15_expand"}
    )
    assert stages_run(run_dvc(own_project, "repro", "embed")) == ["embed"]
    assert planned_stages(own_project) == EMBED - {"extract-train", "probe", "audit", "embed"}
    assert digests(pooled) == before[0]
    assert digests(tapped) != before[1]
