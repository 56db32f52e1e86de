"""The settings of one training, from params.yaml."""

from typing import NamedTuple

from tench.core.params import ExtractTrain, Finetune, Params


class TrainingConfig(NamedTuple):
    """The settings of one training."""

    first_epoch: int  # counted from 1
    last_epoch: int
    learning_rate: float  # of Adam
    batch_size: int
    seed: int  # of shuffling and dropout
    ema: bool = False  # end every epoch with the moving average of its weights
    balanced: bool = False  # every class has the same weight in the loss
    min_steps_per_epoch: int = 1  # an epoch repeats the examples until it has this many steps
    patience: int = 0  # epochs without better validation accuracy before stopping; 0: train all


def training_config(
    section: ExtractTrain | Finetune, params: Params, epochs_before: int, ema: bool = False
) -> TrainingConfig:
    """The settings of a section of params.yaml, with epochs counted from `epochs_before` + 1."""
    return TrainingConfig(
        first_epoch=epochs_before + 1,
        last_epoch=epochs_before + section.epochs,
        learning_rate=section.learning_rate,
        batch_size=section.batch_size,
        seed=params.seed,
        ema=ema,
        balanced=params.class_weights == "balanced",
        min_steps_per_epoch=section.min_steps_per_epoch,
        patience=section.patience,
    )
