"""params.yaml: what it may hold, read and checked before a stage does anything."""

import math
import re
from pathlib import Path
from reprlib import Repr
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
    MAX_MESSAGE_CHARS,
    PRETRAINED_SIZES,
    ResizeMode,
    is_control_character,
    normalize_name,
    printable,
    validate_class_name,
)
from tench.core.paths import PARAMS
from tench.core.specs import BACKBONES
from tench.core.yaml_files import load_yaml

# The repr of a list that holds itself many times over, by way of aliases, can take all memory.
VALUE_REPR = Repr()
VALUE_REPR.maxlevel, VALUE_REPR.maxlist, VALUE_REPR.maxtuple, VALUE_REPR.maxdict = 3, 10, 10, 20
VALUE_REPR.maxstring = VALUE_REPR.maxlong = VALUE_REPR.maxother = MAX_MESSAGE_CHARS


def format_value(value: Any) -> str:
    """A value as a message of one line may hold it."""
    if isinstance(value, float) and math.isnan(value):
        return "not a finite number"
    try:
        text = VALUE_REPR.repr(value)
    except ValueError:  # Python does not write it out
        return "a number of thousands of digits"
    return printable(text)


def validate_one_line(text: str) -> str:
    """Return `text` if it may be a path or a layer's name; ValueError if a message or a file of one
    name a line could not hold it."""
    if any(map(is_control_character, text)):
        raise ValueError("must be text on one line, without control characters")
    return text


def validate_label(text: str) -> str:
    """Return `text` if it can be a folder name or a label of a CSV file. Raises ValueError."""
    if not text or text != text.strip():
        raise ValueError("must be text on one line, without surrounding spaces")
    return validate_one_line(text)


def validate_distinct_names(classes: dict[str, str] | None) -> dict[str, str]:
    """Return the mapping (None as {}) if no two folders get one name; ValueError if they do."""
    folders: dict[str, str] = {}
    for folder, name in (classes or {}).items():
        other = folders.setdefault(normalize_name(name), folder)
        if other != folder:
            raise ValueError(f"{other} and {folder} must not both be named {name!r}")
    return classes or {}


def validate_backbone_name(name: str) -> str:
    """Return `name` if there is such a backbone; ValueError if not."""
    if name not in BACKBONES:
        raise ValueError(f"must be one of {', '.join(BACKBONES)} (python -m tench.backbones)")
    return name


def validate_backbone_weights(weights: str, info: ValidationInfo) -> str:
    """Return `weights` if it is a checkpoint of the backbone in the context or a .weights.h5 path;
    ValueError if not."""
    name = info.context
    known = ("imagenet", *(PRETRAINED_SIZES if name in {"MobileNetV2", None} else ()), "random")
    if weights not in known and not weights.endswith(".weights.h5"):
        raise ValueError(
            f"must be {', '.join(known)}, or the path of a .weights.h5 file"
            + (f", for {name}" if weights in PRETRAINED_SIZES else "")
        )
    return validate_one_line(weights)


def validate_layer_number(value: Any, info: ValidationInfo, least: int, other: str) -> int:
    """Return `value` if it numbers a layer of the backbone in the context; ValueError if not."""
    most = BACKBONES[info.context].layers if info.context else None
    if type(value) is not int or value < least or (most is not None and value > most):
        said = f"{least} to {most}, the layers of {info.context}" if most else f"{least} or more"
        raise ValueError(f"must be a whole number, {said}, or {other}")
    return value


def validate_cache_at(value: Any, info: ValidationInfo) -> int | str:
    """Return `value` if it is auto or a layer's number; ValueError if not."""
    return value if value == "auto" else validate_layer_number(value, info, 1, "auto")


def validate_fine_tune_at(value: Any, info: ValidationInfo) -> int | str:
    """Return `value` if it is a layer's number or may be a layer's name; ValueError if not."""
    if isinstance(value, str) and value:
        return validate_one_line(value)
    return validate_layer_number(value, info, 0, "a layer's name (python -m tench.backbones)")


def validate_group_pattern(pattern: str | None) -> str | None:
    """Return `pattern` if it is a regular expression that captures one group; ValueError if not."""
    try:
        if pattern is None or re.compile(validate_one_line(pattern)).groups == 1:
            return pattern
    except (re.error, OverflowError, RecursionError):  # too many repetitions, too deep
        pass
    raise ValueError(
        r"must be null, or a regular expression with one pair of parentheses, such as (patient\d+)"
    )


class Section(BaseModel):
    """Base of all sections: exact types, no unknown keys, never changed after reading."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


Label = Annotated[str, AfterValidator(validate_label)]
ClassName = Annotated[str, AfterValidator(validate_class_name)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
Epochs = Annotated[int, Field(ge=1, le=10_000)]
MinStepsPerEpoch = Annotated[int, Field(ge=1, le=10_000)]
Patience = Annotated[int, Field(ge=0, le=10_000)]


class Data(Section):
    """Which images, under which names, at which size."""

    raw: Annotated[str, Field(min_length=1), AfterValidator(validate_one_line)]
    classes: Annotated[dict[Label, ClassName] | None, AfterValidator(validate_distinct_names)] = (
        None
    )
    groups: Annotated[str | None, AfterValidator(validate_group_pattern)] = None
    image_size: Annotated[int, Field(ge=32, le=512)]
    resize: ResizeMode
    val_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    max_rejected: Annotated[float, Field(ge=0, le=1)]


class Backbone(Section):
    """The frozen network in front."""

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
        """The activation that the model is trained with; a regression's is its own."""
        return "softmax" if self.solver == "logistic" else self.activation

    @property
    def last_epoch(self) -> int:
        """The number that the epochs of fine-tuning follow on; a regression counts as one."""
        return 1 if self.solver == "logistic" else self.epochs


class Finetune(Section):
    """Training the head and the backbone's last layers."""

    fine_tune_at: Annotated[int | str, PlainValidator(validate_fine_tune_at)]
    learning_rate: LearningRate
    batch_size: BatchSize
    epochs: Epochs
    min_steps_per_epoch: MinStepsPerEpoch
    patience: Patience
    ema: bool


class Audit(Section):
    """What counts as a leak between splits, and how many are borne."""

    near_duplicate: Annotated[float, Field(gt=0, le=1)]
    max_leaks: Annotated[int, Field(ge=0, le=1_000_000_000)]


class Export(Section):
    """What the exported classifier may lose, and when it is to be trusted."""

    max_accuracy_drop: Annotated[float, Field(ge=0, le=1)]
    target_accuracy: Annotated[float, Field(gt=0, le=1)]


class Baseline(Section):
    """The small network trained from scratch, for comparison."""

    learning_rate: LearningRate
    batch_size: BatchSize


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    class_weights: Literal["none", "balanced"]
    data: Data
    backbone: Backbone
    audit: Audit
    extract_train: ExtractTrain
    finetune: Finetune
    export: Export
    baseline: Baseline


def format_validation_error(problem: Any, file: Path) -> str:
    """One pydantic problem as a line: file, key, value, what is allowed."""
    key = printable(".".join(str(part) for part in problem["loc"] if part != "[key]"))
    section = Params.model_fields.get(key.split(".")[0])
    known = ", ".join(getattr(section.annotation if section else Params, "model_fields", {}))
    if problem["type"] == "extra_forbidden":
        return f"{file}: {key}: unknown key; known here: {known}"
    if problem["type"] == "model_type":
        given = f"{key or 'content'} = {format_value(problem['input'])}"
        return f"{file}: {given}: must be a mapping with the keys {known}"
    if problem["type"] == "missing":
        return f"{file}: {key}: is missing"
    wanted = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] == "string_type" and key.startswith("data.classes."):
        wanted += "; put it in quotation marks"  # YAML reads 1, true and null as other types
    return f"{file}: {key} = {format_value(problem['input'])}: {wanted}"


def find_backbone_name(content: Any) -> str | None:
    """The backbone that unchecked content names, if it names a known one."""
    section = content.get("backbone") if isinstance(content, dict) else None
    name = section.get("name") if isinstance(section, dict) else None
    return name if isinstance(name, str) and name in BACKBONES else None


def load_params(file: Path = PARAMS) -> Params:
    """Read and check params.yaml with YAML 1.2, as DVC does (1e-4 and 1e-05 are numbers).

    Raises:
        TenchError: with one line per problem, each naming file, key, value and what is allowed.
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
        raise TenchError(
            "\n       ".join(format_validation_error(p, file) for p in error.errors())
        ) from None
