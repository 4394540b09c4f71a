"""One trial of a cohort: its adapter's place in the bank, its own optimizer and schedule, and how far it has come."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.sampler import SliceBatchSampler
from lightning_quicktune.finetune.cohort.bank import AdapterBank, BankRow, goes_by_rank
from lightning_quicktune.finetune.cohort.passes import MemberOrder
from lightning_quicktune.finetune.cohort.rules import rule_of
from lightning_quicktune.finetune.cohort.start import AdapterWeights, starting_weights
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.lora import adapted_modules
from lightning_quicktune.finetune.optimizers import build_optimizer


class MemberWeights(nn.Module):
    """One member's adapter weights, with no model around them, under the names that they have in its checkpoint."""

    def take(self, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> None:
        """Lets each weight, and its gradient, be a view of the bank.

        Args:
            weights: Views by name.
            gradients: Views of the same shapes.
        """
        for name, weight in weights.items():
            known = self._parameters.get(name)
            if known is None:
                self._parameters[name] = known = nn.Parameter(weight)  # register_parameter takes no dots
            known.data = weight
            known.grad = gradients[name]


class Member:
    """A trial of a cohort.

    Args:
        finetuner: Its module, as built from its fit YAML; it gets its weights from the bank.
        data: Its data module, set up.
        trainer: Arguments of its Trainer, as in its fit YAML.
        seed: Its seed.
        callbacks: Its callbacks, whose states are in its checkpoint.
    """

    def __init__(
        self, finetuner: Finetuner, data: TaskData, trainer: Mapping[str, Any], seed: int, callbacks: list[Callback]
    ) -> None:
        self.finetuner = finetuner
        self.data = data
        self.seed = seed
        self.callbacks = callbacks
        self.accumulate = int(trainer.get("accumulate_grad_batches") or 1)
        self.clip = float(trainer.get("gradient_clip_val") or 0.0)
        self.clip_algorithm = trainer.get("gradient_clip_algorithm")
        self.n_slices = int(trainer["max_epochs"])
        self.reached = 0
        checkpointing = finetuner.base_model.gradient_checkpointing
        self.row = BankRow(finetuner.lora, adapted_modules(finetuner.loaded, finetuner.lora, checkpointing))
        self.rule = None if self.clip_algorithm == "value" else rule_of(finetuner.optimizer_factory(_nothing()))
        self.weights = MemberWeights()
        finetuner.model = self.weights
        self.sampler: SliceBatchSampler
        self.n_scored = 0  # batches of the validation split
        self.optimizer: Optimizer
        self.scheduler: LRScheduler

    @property
    def n_batches(self) -> int:
        """Micro-batches of a slice, as the trial alone has them."""
        return len(self.sampler)

    @property
    def n_steps(self) -> int:
        """Optimizer steps of a slice."""
        return math.ceil(self.n_batches / self.accumulate)

    def sort_key(self, device: torch.device) -> tuple[Any, ...]:
        """Order of members in a bank: DoRA's last, and side by side what is computed in one product or step.

        Args:
            device: Where: see ``AdapterBank``.
        """
        lora = self.finetuner.lora
        adapter = (str(lora.targets), lora.rank) if goes_by_rank(device) else ()
        rule = self.rule.__name__ if self.rule is not None else ""
        return lora.variant == "dora", rule, adapter, self.order.step_records

    @property
    def order(self) -> MemberOrder:
        """In which order the next slice is trained."""
        return MemberOrder(self.sampler, self.reached)

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Makes the member's seed the one that ``global_seed`` gives."""
        before = os.environ.get("PL_GLOBAL_SEED")
        os.environ["PL_GLOBAL_SEED"] = str(self.seed)
        try:
            yield
        finally:
            os.environ.pop("PL_GLOBAL_SEED")
            if before is not None:
                os.environ["PL_GLOBAL_SEED"] = before

    def take_order(self) -> None:
        """Takes the order of records from the data module, which has been set up."""
        sampler: Any = self.data.train_dataloader().batch_sampler
        self.sampler = sampler
        self.n_scored = len(self.data.val_dataloader())

    def start(self) -> dict[str, AdapterWeights]:
        """The weights that it begins with, by module."""
        return starting_weights(self.row.modules, self.row.lora, self.seed)

    def take_place(self, bank: AdapterBank, k: int) -> None:
        """Makes its weights views of the bank.

        Args:
            bank: The bank.
            k: Which of its members it is.
        """
        self.weights.take(bank.of_member(bank.weights, k), bank.of_member(bank.gradients, k))

    def begin(self, start: Mapping[str, AdapterWeights]) -> None:
        """Puts first weights into the bank, and builds its optimizer and schedule.

        Args:
            start: From ``start``.
        """
        own = dict(self.weights.named_parameters())
        with torch.no_grad():
            for module, adapter in start.items():
                prefix = f"base_model.model.{module}."
                own[f"{prefix}lora_A.default.weight"].copy_(adapter.a)
                own[f"{prefix}lora_B.default.weight"].copy_(adapter.b)
                if adapter.magnitude is not None:
                    own[f"{prefix}lora_magnitude_vector.default.weight"].copy_(adapter.magnitude)
        finetuner = self.finetuner
        self.optimizer = build_optimizer(finetuner, finetuner.optimizer_factory, finetuner.lora_plus_ratio)
        self.scheduler = finetuner.schedule.build(self.optimizer, self.n_steps * self.n_slices)

    def release(self) -> None:
        """Lets go of the bank."""
        self.finetuner.model = None
        self.finetuner.trainer = None
        self.data.trainer = None


def _nothing() -> list[nn.Parameter]:
    """What an optimizer can be built on to see what it is."""
    return [nn.Parameter(torch.zeros(1))]
