"""Learning-rate schedules, sized by the whole training and never by the fidelity asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


@dataclass(frozen=True)
class ScheduleSettings:
    """How the learning rate moves over the optimizer steps of a full training.

    Args:
        name: Shape after the warm-up.
        warmup_fraction: Share of all steps over which the rate rises from 0, in [0, 1).
    """

    name: Literal["linear", "cosine", "constant"] = "linear"
    warmup_fraction: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_fraction < 1:
            raise ValueError(
                f"The warm-up fraction is {self.warmup_fraction}, but it is a share of all steps, in [0, 1). Set "
                "`model.init_args.schedule.warmup_fraction`."
            )

    def build(self, optimizer: Optimizer, n_steps: int) -> LRScheduler:
        """The scheduler for ``n_steps`` optimizer steps, to be stepped after each."""
        from transformers import get_scheduler

        name = "constant_with_warmup" if self.name == "constant" else self.name
        warmup = round(self.warmup_fraction * n_steps)
        scheduler: LRScheduler = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=n_steps)
        return scheduler
