"""The schema of params.yaml, checked before a stage starts."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
)

from tench.core.errors import TenchError
from tench.core.names import (
    MAX_IMAGE_SIZE,
    MIN_IMAGE_SIZE,
    PRETRAINED_SIZES,
    ResizeMode,
    format_value,
    is_control_character,
    normalize_name,
    printable,
    validate_class_name,
)
from tench.core.paths import PARAMS
from tench.core.specs import BACKBONES
from tench.core.yaml_files import load_yaml

RENAMED = {  # old key: new key
    "backbone.tap_at": "backbone.cache_at",
    "extract_train.min_steps": "extract_train.min_steps_per_epoch",
    "finetune.min_steps": "finetune.min_steps_per_epoch",
    "finetune.average_weights": "finetune.ema",
    "export.max_drop": "export.max_accuracy_drop",
    "export.trusted_accuracy": "export.target_accuracy",
}


def validate_one_line(text: str) -> str:
    """Return `text`, a path or layer name, if it has no control characters. Raises ValueError."""
    if any(map(is_control_character, text)):
        raise ValueError("must be text on one line, without control characters")
    return text


def validate_label(text: str) -> str:
    """Return `text` if it can be a folder name or a label of a CSV file. Raises ValueError."""
    if not text or text != text.strip():
        raise ValueError("must be text on one line, without surrounding spaces")
    return validate_one_line(text)


def validate_distinct_names(classes: dict[str, str] | None) -> dict[str, str]:
    """Return the mapping (None as {}) if all class names are distinct. Raises ValueError."""
    folders: dict[str, str] = {}
    for folder, name in (classes or {}).items():
        other = folders.setdefault(normalize_name(name), folder)
        if other != folder:
            raise ValueError(f"{other} and {folder} must not have the same name {name!r}")
    return classes or {}


def validate_backbone_name(name: str) -> str:
    """Return `name` if it is a known backbone. Raises ValueError."""
    if name not in BACKBONES:
        raise ValueError(f"must be one of {', '.join(BACKBONES)} (python -m tench.backbones)")
    return name


def validate_backbone_weights(weights: str, info: ValidationInfo) -> str:
    """Return `weights` if it names weights of the backbone in the context, or a .weights.h5 path.
    Raises ValueError."""
    name = info.context
    known = ("imagenet", *(PRETRAINED_SIZES if name in {"MobileNetV2", None} else ()), "random")
    if weights not in known and not weights.endswith(".weights.h5"):
        raise ValueError(
            f"must be {', '.join(known)}, or the path of a .weights.h5 file"
            + (f", for {name}" if weights in PRETRAINED_SIZES else "")
        )
    return validate_one_line(weights)


def validate_layer_number(value: Any, info: ValidationInfo, least: int, other: str) -> int:
    """Return `value` if it is a layer number of the backbone in the context. Raises ValueError."""
    most = BACKBONES[info.context].layers if info.context else None
    if type(value) is not int or value < least or (most is not None and value > most):
        limits = f"{least} to {most}, the layers of {info.context}" if most else f"{least} or more"
        raise ValueError(f"must be a whole number, {limits}, or {other}")
    return value


def validate_cache_at(value: Any, info: ValidationInfo) -> int | str:
    """Return `value` if it is auto or a layer number. Raises ValueError."""
    return value if value == "auto" else validate_layer_number(value, info, 1, "auto")


def validate_fine_tune_at(value: Any, info: ValidationInfo) -> int | str:
    """Return `value` if it is a layer number or can be a layer name. Raises ValueError."""
    if isinstance(value, str) and value:
        return validate_one_line(value)
    return validate_layer_number(value, info, 0, "a layer's name (python -m tench.backbones)")


def validate_group_pattern(pattern: str | None) -> str | None:
    """Return `pattern` if it is a regular expression with one group. Raises ValueError."""
    try:
        if pattern is None or re.compile(validate_one_line(pattern)).groups == 1:
            return pattern
    except (re.error, OverflowError, RecursionError):  # too many repetitions, too deep
        pass
    raise ValueError(
        r"must be null, or a regular expression with one pair of parentheses, such as (patient\d+)"
    )


class Section(BaseModel):
    """Base of all sections: strict types, no unknown keys, immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


Label = Annotated[str, AfterValidator(validate_label)]
ClassName = Annotated[str, AfterValidator(validate_class_name)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
Epochs = Annotated[int, Field(ge=1, le=10_000)]
MinStepsPerEpoch = Annotated[int, Field(ge=1, le=10_000)]
Patience = Annotated[int, Field(ge=0, le=10_000)]


class Data(Section):
    """The images, class names and image size."""

    raw: Annotated[str, Field(min_length=1), AfterValidator(validate_one_line)]
    classes: Annotated[dict[Label, ClassName] | None, AfterValidator(validate_distinct_names)] = (
        None
    )
    groups: Annotated[str | None, AfterValidator(validate_group_pattern)] = None
    image_size: Annotated[int, Field(ge=MIN_IMAGE_SIZE, le=MAX_IMAGE_SIZE)]
    resize: ResizeMode
    val_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    max_rejected: Annotated[float, Field(ge=0, le=1)]


class Backbone(Section):
    """The pretrained network below the head."""

    name: Annotated[str, AfterValidator(validate_backbone_name)]
    weights: Annotated[str, AfterValidator(validate_backbone_weights)]
    cache_at: Annotated[int | str, PlainValidator(validate_cache_at)]
    engine: Literal["auto", "litert", "tensorflow"]


class ExtractTrain(Section):
    """Training the head on the frozen backbone."""

    solver: Literal["adam", "logistic"]
    dense_units: Annotated[int, Field(ge=1, le=65_536)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    activation: Literal["sigmoid", "softmax"]
    learning_rate: LearningRate
    batch_size: BatchSize
    epochs: Epochs
    min_steps_per_epoch: MinStepsPerEpoch
    patience: Patience

    @property
    def output(self) -> str:
        """Output activation in training; always softmax for the logistic solver."""
        return "softmax" if self.solver == "logistic" else self.activation

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch before fine-tuning; the logistic solver counts as one."""
        return 1 if self.solver == "logistic" else self.epochs


class Finetune(Section):
    """Training the head and the last layers of the backbone."""

    fine_tune_at: Annotated[int | str, PlainValidator(validate_fine_tune_at)]
    learning_rate: LearningRate
    batch_size: BatchSize
    epochs: Epochs
    min_steps_per_epoch: MinStepsPerEpoch
    patience: Patience
    ema: bool


class Audit(Section):
    """Near duplicates, and how many leaks between splits are allowed."""

    near_duplicate: Annotated[float, Field(gt=0, le=1)]
    max_leaks: Annotated[int, Field(ge=0, le=1_000_000_000)]


class Export(Section):
    """Limits for the exported models, and the accuracy that the thresholds aim for."""

    max_accuracy_drop: Annotated[float, Field(ge=0, le=1)]
    target_accuracy: Annotated[float, Field(gt=0, le=1)]


class Baseline(Section):
    """The small network trained from scratch as a baseline."""

    learning_rate: LearningRate
    batch_size: BatchSize


class Params(Section):
    """All of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    class_weights: Literal["none", "balanced"]
    data: Data
    backbone: Backbone
    audit: Audit
    extract_train: ExtractTrain
    finetune: Finetune
    export: Export
    baseline: Baseline


def problem_key(problem: Any) -> str:
    """The dotted key that a pydantic error is about."""
    return printable(".".join(str(part) for part in problem["loc"] if part != "[key]"))


def without_renamed(problems: Sequence[Any]) -> list[Any]:
    """Drop "missing" errors for keys that are present under their old name."""
    renamed = {RENAMED.get(problem_key(problem)) for problem in problems}
    return [
        problem
        for problem in problems
        if problem["type"] != "missing" or problem_key(problem) not in renamed
    ]


def format_validation_error(problem: Any, file: Path) -> str:
    """A line for one pydantic error: file, key, value, and what is allowed."""
    key = problem_key(problem)
    section = Params.model_fields.get(key.split(".")[0])
    known = ", ".join(getattr(section.annotation if section else Params, "model_fields", {}))
    if problem["type"] == "extra_forbidden":
        if key in RENAMED:
            return f"{file}: {key} is now {RENAMED[key]}; rename it"
        return f"{file}: {key}: unknown key; known keys: {known}"
    if problem["type"] == "model_type":
        value = f"{key or 'content'} = {format_value(problem['input'])}"
        return f"{file}: {value}: must be a mapping with the keys {known}"
    if problem["type"] == "missing":
        return f"{file}: {key}: is missing"
    wanted = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] == "string_type" and key.startswith("data.classes."):
        wanted += "; put it in quotation marks"  # YAML reads 1, true and null as other types
    return f"{file}: {key} = {format_value(problem['input'])}: {wanted}"


def find_backbone_name(content: Any) -> str | None:
    """The name of the backbone in unchecked content; None if it is no known backbone."""
    section = content.get("backbone") if isinstance(content, dict) else None
    name = section.get("name") if isinstance(section, dict) else None
    return name if isinstance(name, str) and name in BACKBONES else None


def load_params(file: Path = PARAMS) -> Params:
    """Load and validate params.yaml as YAML 1.2, like DVC (1e-4 and 1e-05 are numbers).

    Raises:
        TenchError: one line per problem, with file, key, value and what is allowed.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise TenchError(f"{file}: no such file; run from the project's root") from None
    except UnicodeDecodeError as error:
        raise TenchError(f"{file}: not readable as YAML: {error}") from None
    content = load_yaml(text, file)
    try:
        return Params.model_validate(content, context=find_backbone_name(content))
    except ValidationError as error:
        problems = without_renamed(error.errors())
        lines = [format_validation_error(problem, file) for problem in problems]
        raise TenchError("\n       ".join(lines)) from None
