"""Results of a revision's run: parameters, scores, predictions and cost."""

import csv
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from tench.core.errors import TenchError
from tench.core.paths import (
    COSTS,
    EXTRACT_TRAIN,
    FINETUNE,
    FINETUNE_SCORES,
    PARAMS,
    PIPELINES,
    PREDICTIONS,
    SCORES,
)
from tench.core.yaml_files import read_mapping
from tench.report.compare.lock_inputs import (
    Inputs,
    external_digests,
    required_stages,
    staleness_reason,
)
from tench.report.compare.revisions import Revision
from tench.report.lock.parameters import Key, flatten
from tench.run.dvc_files import Stages, stage_digests, stages_in
from tench.run.lock_yaml import read_lock

LOCK_FILE = PIPELINES[0].with_suffix(".lock")
EPOCH_FILES = [folder / "plots/metrics/val/accuracy.tsv" for folder in (EXTRACT_TRAIN, FINETUNE)]
RESULT_FILES = (PARAMS, LOCK_FILE, SCORES, FINETUNE_SCORES, *EPOCH_FILES, PREDICTIONS, COSTS)
SEED_KEY: Key = ("seed",)

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Files = Mapping[Path, bytes]
CorrectByImage = dict[str, tuple[str, bool]]  # by image_key: label, and whether predicted


class ResultFile(BaseModel):
    """Base class of parsed files; other keys are ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ModelScores(ResultFile):
    """Scores of the fine-tuned model on the test images."""

    accuracy: Share
    loss: NotNegative


class EvaluateMetrics(ResultFile):
    """metrics/evaluate.json."""

    finetuned: ModelScores
    macro_f1: Share | None = None
    balanced_accuracy: Share | None = None


class ValidationScores(ResultFile):
    """The section `val` of metrics/finetune/metrics.json."""

    accuracy: Share


class FinetuneMetrics(ResultFile):
    """metrics/finetune/metrics.json: last epoch and, with finetune.patience, the selected one."""

    val: ValidationScores
    kept_epoch: int | None = None


class StageCost(BaseModel):
    """Cost of a stage's run. Extra keys are kept, because they distinguish runs."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="allow")

    seconds: NotNegative
    outs: list[tuple[str, str]]  # path and digest


class Costs(RootModel[dict[str, StageCost]]):
    """metrics/costs.json, by stage."""


class RunCost(NamedTuple):
    """Total cost of the stages that a revision executed."""

    seconds: float
    stages: int


class Run(NamedTuple):
    """A revision's results."""

    revision: Revision
    params: dict[Key, Any]
    inputs: Inputs
    scores: EvaluateMetrics
    validation: float | None  # accuracy of the selected epoch
    predictions: CorrectByImage | None
    cost: RunCost | None

    @property
    def seed(self) -> Any:
        """The parameter `seed`."""
        return self.params.get(SEED_KEY)


Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value")


def parse_json_file(model: type[Model], files: Files, file: Path) -> Model:
    """Parse a JSON file. Raises TenchError with the first problem."""
    if file not in files:
        raise TenchError(
            f"{file}: not found; the run failed, never happened, or predates this file"
        )
    try:
        return model.model_validate_json(files[file])
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise TenchError(f"{file}: {key + ': ' if key else ''}{problem['msg']}") from None


def read_table(
    files: Files, file: Path, columns: tuple[str, ...], delimiter: str = ","
) -> list[tuple[str, ...]]:
    """Read columns of a CSV file. Raises TenchError if it is missing or malformed."""
    if file not in files:
        raise TenchError(f"{file}: not found")
    try:
        lines = io.StringIO(files[file].decode("utf-8"), newline="")
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        header = next(rows, [])
        indices = [header.index(name) for name in columns]
        return [tuple(row[index] for index in indices) for row in rows]
    except (ValueError, IndexError, csv.Error) as error:
        raise TenchError(
            f"{file}: not readable as CSV with {', '.join(columns)}: {error}"
        ) from None


def validation_accuracy(files: Files) -> float:
    """Return the validation accuracy of the selected epoch. Raises TenchError if it is unknown."""
    training = parse_json_file(FinetuneMetrics, files, FINETUNE_SCORES)
    kept = training.kept_epoch
    if kept is None:
        return training.val.accuracy
    for file in filter(files.__contains__, EPOCH_FILES):
        for step, accuracy in read_table(files, file, ("step", "accuracy"), "\t"):
            if step == str(kept):
                scores = f'{{"accuracy": {accuracy}}}'.encode()
                return parse_json_file(ValidationScores, {file: scores}, file).accuracy
    raise TenchError(f"{FINETUNE_SCORES}: kept_epoch = {kept} is not in the tables of epochs")


def read_predictions(files: Files) -> CorrectByImage:
    """Read the fine-tuned model's predictions on the test images. Raises TenchError."""
    rows = read_table(files, PREDICTIONS, ("path", "label", "prediction"))
    correct = {image_key(path): (label, label == prediction) for path, label, prediction in rows}
    if not correct or len(correct) < len(rows):
        raise TenchError(f"{PREDICTIONS}: {'an image is listed twice' if correct else 'empty'}")
    return correct


def image_key(path: str) -> str:
    """Return class and file name of an image, which identify it across revisions.

    The split and the pack's number may differ between revisions.
    """
    return re.sub(r"^[^/]+/([^/]+/)(\d+\.zip/)?", r"\1", path)


def run_cost(files: Files, stages: Stages, before: Files | None) -> RunCost | None:
    """Sum the cost of the stages that a revision executed; None if there are none.

    A stage counts if its entry in metrics/costs.json is new and names the outputs in dvc.lock.

    Args:
        files: Files of the revision.
        stages: Stages in its dvc.lock.
        before: Files of its parent commit, or None if the clone does not have that commit.

    Raises:
        TenchError: metrics/costs.json is malformed.
    """
    if COSTS not in files or before is None:
        return None
    entries = parse_json_file(Costs, files, COSTS).root
    earlier = parse_json_file(Costs, before, COSTS).root if COSTS in before else {}
    seconds = [
        entry.seconds
        for name, entry in entries.items()
        if entry.outs
        and dict(entry.outs).items() <= stage_digests(stages.get(name, {}), "outs").items()
        and entry != earlier.get(name)
    ]
    return RunCost(sum(seconds), len(seconds)) if seconds else None


def read_run(revision: Revision, files: Files, before: Files | None) -> tuple[Run, list[str]]:
    """Read a revision's run, with notes on what is unknown.

    Args:
        revision: The revision.
        files: Those of its RESULT_FILES that exist.
        before: As in `run_cost`.

    Raises:
        TenchError: The run has no scores, or they do not match its parameters.
    """
    if PARAMS not in files:
        raise TenchError(f"{PARAMS}: not found; run from the project's root")
    params = flatten(read_mapping(files[PARAMS], PARAMS))
    scores = parse_json_file(EvaluateMetrics, files, SCORES)
    locked = stages_in(read_lock(files.get(LOCK_FILE, b""), LOCK_FILE), LOCK_FILE)
    stages = required_stages(locked)
    if reason := staleness_reason(stages, params):
        raise TenchError(f"{reason}; run `dvc repro` and commit its results")
    notes: list[str] = []

    def read_or_note(name: str, read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except TenchError as error:
            notes.append(f"{revision.name}: {name} unknown: {error}.")
            return None

    run = Run(
        revision,
        params,
        external_digests(stages),
        scores,
        read_or_note("validation accuracy", lambda: validation_accuracy(files)),
        read_or_note("predictions", lambda: read_predictions(files)),
        read_or_note("cost", lambda: run_cost(files, locked, before)),
    )
    return run, notes
