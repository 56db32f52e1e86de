"""What a revision holds of its run: parameters, scores, answers, cost."""

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
CorrectByImage = dict[str, tuple[str, bool]]  # by image_of: an image's label, whether it was named


class ResultFile(BaseModel):
    """Base of what is read: other keys are not of interest."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ModelScores(ResultFile):
    """Of the fine-tuned model, on the test images."""

    accuracy: Share
    loss: NotNegative


class EvaluateMetrics(ResultFile):
    """metrics/evaluate.json."""

    finetuned: ModelScores
    macro_f1: Share | None = None
    balanced_accuracy: Share | None = None


class ValidationScores(ResultFile):
    """The validation images' part of metrics/finetune/metrics.json."""

    accuracy: Share


class FinetuneMetrics(ResultFile):
    """metrics/finetune/metrics.json, of the last epoch; where validation decided, which it kept."""

    val: ValidationScores
    kept_epoch: int | None = None


class StageCost(BaseModel):
    """What a stage's run cost; all keys are kept, by which one run is told from another."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="allow")

    seconds: NotNegative
    outs: list[tuple[str, str]]  # path and digest


class Costs(RootModel[dict[str, StageCost]]):
    """metrics/costs.json, by stage."""


class RunCost(NamedTuple):
    """What the stages cost that a revision ran."""

    seconds: float
    stages: int


class Run(NamedTuple):
    """A revision's results."""

    revision: Revision
    params: dict[Key, Any]
    inputs: Inputs
    scores: EvaluateMetrics
    validation: float | None  # accuracy of what was kept
    answers: CorrectByImage | None
    cost: RunCost | None

    @property
    def seed(self) -> Any:
        """The seed it was run with."""
        return self.params.get(SEED_KEY)


Model = TypeVar("Model", bound=BaseModel)
RevisionT = TypeVar("RevisionT")


def parse_json_file(model: type[Model], files: Files, file: Path) -> Model:
    """The content of a JSON file. Raises TenchError with its first problem."""
    if file not in files:
        raise TenchError(f"{file}: not there: never run, failed, or older than it")
    try:
        return model.model_validate_json(files[file])
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise TenchError(f"{file}: {key + ': ' if key else ''}{problem['msg']}") from None


def read_table(
    files: Files, file: Path, columns: tuple[str, ...], delimiter: str = ","
) -> list[tuple[str, ...]]:
    """The given columns of a CSV file. Raises TenchError."""
    if file not in files:
        raise TenchError(f"{file}: not there")
    try:
        lines = io.StringIO(files[file].decode("utf-8"), newline="")
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        header = next(rows, [])
        places = [header.index(name) for name in columns]
        return [tuple(row[place] for place in places) for row in rows]
    except (ValueError, IndexError, csv.Error) as error:
        raise TenchError(
            f"{file}: not readable as CSV with {', '.join(columns)}: {error}"
        ) from None


def validation_accuracy(files: Files) -> float:
    """The validation accuracy of the model that was kept. Raises TenchError."""
    training = parse_json_file(FinetuneMetrics, files, FINETUNE_SCORES)
    kept = training.kept_epoch
    if kept is None:
        return training.val.accuracy
    for file in filter(files.__contains__, EPOCH_FILES):
        for step, accuracy in read_table(files, file, ("step", "accuracy"), "\t"):
            if step == str(kept):
                found = f'{{"accuracy": {accuracy}}}'.encode()
                return parse_json_file(ValidationScores, {file: found}, file).accuracy
    raise TenchError(f"{FINETUNE_SCORES}: kept_epoch = {kept}, which is in no table of epochs")


def read_predictions(files: Files) -> CorrectByImage:
    """What the fine-tuned model says of every test image. Raises TenchError."""
    rows = read_table(files, PREDICTIONS, ("path", "label", "prediction"))
    found = {image_key(path): (label, label == said) for path, label, said in rows}
    if not found or len(found) < len(rows):
        raise TenchError(f"{PREDICTIONS}: {'an image is there twice' if found else 'empty'}")
    return found


def image_key(path: str) -> str:
    """An image's class and name, by which revisions have it in common: the number of its pack, and
    before there were packs the first folder, say nothing of the image."""
    return re.sub(r"^[^/]+/([^/]+/)(\d+\.zip/)?", r"\1", path)


def run_cost(files: Files, stages: Stages, before: Files | None) -> RunCost | None:
    """What the stages cost that a revision ran: those whose entry counts, since its outputs are
    those of the lock file, and was not there before. None if there is no such stage. Raises
    TenchError.

    Args:
        files: of the revision.
        stages: its lock file's.
        before: files of the commit it changed; None if that is not at hand.
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
    """A revision's run, and what to say of it.

    Args:
        revision: whose it is.
        files: FILES of it, as far as there are any.
        before: files of the commit it changed, COSTS among them; None if that is not at hand.

    Raises:
        TenchError: it cannot be compared: it has no scores, or they are not of its parameters.
    """
    if PARAMS not in files:
        raise TenchError(f"{PARAMS}: not there; run from the project's root")
    params = flatten(read_mapping(files[PARAMS], PARAMS))
    scores = parse_json_file(EvaluateMetrics, files, SCORES)
    locked = stages_in(read_lock(files.get(LOCK_FILE, b""), LOCK_FILE), LOCK_FILE)
    stages = required_stages(locked)
    if reason := staleness_reason(stages, params):
        raise TenchError(f"{reason}: run `dvc repro` and commit what it leaves")
    notes: list[str] = []

    def known(what: str, read: Callable[[], RevisionT]) -> RevisionT | None:
        try:
            return read()
        except TenchError as error:
            notes.append(f"{revision.name}: {what} unknown: {error}.")
            return None

    run = Run(
        revision,
        params,
        external_digests(stages),
        scores,
        known("validation accuracy", lambda: validation_accuracy(files)),
        known("answers", lambda: read_predictions(files)),
        known("cost", lambda: run_cost(files, locked, before)),
    )
    return run, notes
