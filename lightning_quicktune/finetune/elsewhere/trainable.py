"""Arguments of the Trainer that no other trainer could follow, refused before a recipe is carried there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Those that change what a step is or cut the training short, and the values with which they don't. A whole number
# counts batches, so 1 is another thing than 1.0.
_WHOLE: Mapping[str, tuple[Any, ...]] = {
    "fast_dev_run": (False, None, 0),
    "gradient_clip_algorithm": (None, "norm"),
    "limit_train_batches": (1.0, None),
    "max_steps": (-1, None),
    "max_time": (None,),
    "min_epochs": (None,),
    "min_steps": (None,),
    "overfit_batches": (0.0, 0, None),
}
_SPELLINGS = {"None": "32-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed", "64": "64-true"}
_WATCHING = ("Checkpoint", "DeviceStatsMonitor", "LearningRateMonitor", "ModelSummary", "ProgressBar")


def check_whole(trainer: Mapping[str, Any]) -> None:
    """Refuses a training on several devices, of unknown length, or with another kind of step.

    Args:
        trainer: Arguments of the Trainer.

    Raises:
        ValueError: If it is one; names the key.
    """
    for name, one in (("devices", (1, "1", "auto")), ("num_nodes", (1, None))):
        if trainer.get(name) not in one:
            raise ValueError(
                f"`trainer.{name}` is {trainer.get(name)}, and how records are dealt to devices can't be carried over. "
                f"Set `trainer.{name}: 1`."
            )
    epochs = trainer.get("max_epochs")
    if type(epochs) is not int or epochs < 1:
        raise ValueError(
            f"`trainer.max_epochs` is {epochs}, but other trainers are told a number of steps. Set it to the slices of "
            "the whole training, at least 1."
        )
    for name, whole in _WHOLE.items():
        value = trainer.get(name)
        if not any(value == w and type(value) is type(w) for w in (*whole, None)):
            raise ValueError(
                f"`trainer.{name}` is {value!r}, which can't be carried over: another trainer would train longer, or "
                "by other steps. Remove it, or leave `--as` out and run `fit`."
            )


def is_one_device(trainer: Mapping[str, Any]) -> bool:
    """Whether it is one device on every machine; ``auto`` takes all GPUs that it finds.

    Args:
        trainer: Arguments of the Trainer.
    """
    return trainer.get("devices") != "auto" or trainer.get("accelerator") in ("cpu", "mps")


def precision_of(trainer: Mapping[str, Any]) -> str:
    """``trainer.precision`` as the Trainer itself spells it.

    Args:
        trainer: Arguments of the Trainer.
    """
    precision = str(trainer.get("precision"))
    return _SPELLINGS.get(precision, precision)


def steering(trainer: Mapping[str, Any]) -> list[str]:
    """Names of the callbacks that may change a training.

    Args:
        trainer: Arguments of the Trainer, callbacks included.
    """
    given = trainer.get("callbacks") or []
    names = [type(each).__name__ for each in (given if isinstance(given, list) else [given])]
    return [name for name in names if not name.endswith(_WATCHING)]
