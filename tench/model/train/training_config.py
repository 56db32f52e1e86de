"""How to train, as params.yaml has it."""

from typing import NamedTuple

from tench.core.params import ExtractTrain, Finetune, Params


class TrainingConfig(NamedTuple):
    """How to train."""

    first: int  # epoch, counted from 1
    last: int  # epoch
    learning_rate: float  # of Adam
    batch_size: int  # examples a step
    seed: int  # of shuffling and dropout
    ema: bool = False
    balanced: bool = False  # every class weighs the same in the loss
    min_steps_per_epoch: int = (
        1  # an epoch goes over the examples as often as it takes to make so many
    )
    patience: int = 0  # epochs in which validation accuracy may fail to rise; 0: train all


def training_config(
    section: ExtractTrain | Finetune, params: Params, before: int, ema: bool = False
) -> TrainingConfig:
    """How a section of params.yaml says to train, after so many epochs before."""
    return TrainingConfig(
        first=before + 1,
        last=before + section.epochs,
        learning_rate=section.learning_rate,
        batch_size=section.batch_size,
        seed=params.seed,
        ema=ema,
        balanced=params.class_weights == "balanced",
        min_steps_per_epoch=section.min_steps_per_epoch,
        patience=section.patience,
    )
