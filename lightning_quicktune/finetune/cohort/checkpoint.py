"""Writes and reads the checkpoints of a cohort's members: those that Lightning makes of each trial alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import GradClipAlgorithmType
from lightning.pytorch.utilities.types import LRSchedulerConfig
from torch import Tensor

from lightning_quicktune.finetune.cohort.member import Member
from lightning_quicktune.finetune.generation import check_room

Checkpoint = dict[str, Any]


class KeptCheckpoint(TorchCheckpointIO):
    """Keeps a checkpoint rather than write it, so that it can be written beside the training."""

    def __init__(self) -> None:
        super().__init__()
        self.content: Checkpoint = {}

    def save_checkpoint(self, checkpoint: Checkpoint, path: Any, storage_options: Any | None = None) -> None:
        """Takes what was to be written."""
        self.content = checkpoint


class MemberCheckpoints:
    """Checkpoints of members, through a Trainer that takes the place of each one's own and trains nothing.

    Args:
        trainer: A trainer of the members' fit YAML, with ``KeptCheckpoint`` among its plugins.
        kept: That plugin.
    """

    def __init__(self, trainer: Trainer, kept: KeptCheckpoint) -> None:
        self.trainer = trainer
        self.kept = kept
        self.trainer.state.fn = TrainerFn.FITTING

    @contextmanager
    def of(self, member: Member) -> Iterator[Trainer]:
        """Makes the trainer that of a member, which then finds it as its own.

        Args:
            member: The member.
        """
        trainer: Any = self.trainer
        trainer.strategy.connect(member.finetuner)
        trainer.datamodule = member.data
        member.finetuner.trainer = member.data.trainer = trainer
        trainer.callbacks = member.callbacks
        trainer.accumulate_grad_batches = member.accumulate
        trainer.gradient_clip_val = member.clip or None
        algorithm = member.clip_algorithm
        trainer.gradient_clip_algorithm = GradClipAlgorithmType(algorithm.lower()) if algorithm else None
        with member.seeded():
            yield trainer

    def set_up(self, member: Member) -> None:
        """Reads a member's data, once for all members that read it alike, and its order of records.

        Args:
            member: The member.

        Raises:
            ValueError: If the data can't be used, or a prompt leaves a generated answer too little room.
        """
        with self.of(member):
            member.data.setup("fit")
            score = member.finetuner.score
            if score.generates:
                prompts = member.data.prompt_dataloader("validation")
                check_room(member.finetuner.loaded.model.config, prompts, score.max_new_tokens)
            member.take_order()

    def make(self, member: Member) -> Checkpoint:
        """What Lightning would write for the trial alone at the end of the slice that the member has just trained.

        The weights are still views of the bank.

        Args:
            member: The member.
        """
        with self.of(member) as trainer:
            trainer.strategy.optimizers = [member.optimizer]
            trainer.strategy.lr_scheduler_configs = [LRSchedulerConfig(member.scheduler, interval="step")]
            trainer.fit_loop.max_batches = member.n_batches
            trainer.fit_loop.load_state_dict(_counted(trainer.fit_loop.state_dict(), member))
            trainer.save_checkpoint("", weights_only=False)
        return self.kept.content

    def restore(self, member: Member, checkpoint: Checkpoint) -> None:
        """Brings a member to where a checkpoint has it.

        Args:
            member: A member that has begun.
            checkpoint: From ``make``, or of the trial alone.

        Raises:
            ValueError: If it doesn't fit the member.
        """
        with self.of(member):
            member.finetuner.on_load_checkpoint(checkpoint)
            member.data.load_state_dict(checkpoint[type(member.data).__qualname__])
            for callback in member.callbacks:
                if callback.state_key in checkpoint["callbacks"]:
                    callback.load_state_dict(checkpoint["callbacks"][callback.state_key])
        member.finetuner.load_state_dict(checkpoint["state_dict"], strict=False)
        member.optimizer.load_state_dict(checkpoint["optimizer_states"][0])
        member.scheduler.load_state_dict(checkpoint["lr_schedulers"][0])
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        member.reached = progress["total"]["completed"] // member.n_batches


def on_cpu(content: Any) -> Any:
    """A copy of what a checkpoint holds, each tensor alone on the CPU."""
    if isinstance(content, Tensor):
        return content.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
    if isinstance(content, dict):
        return type(content)((key, on_cpu(value)) for key, value in content.items())
    if isinstance(content, (list, tuple)):
        return type(content)(on_cpu(value) for value in content)
    return content


def _counted(state: dict[str, Any], member: Member) -> dict[str, Any]:
    """The state of the fit loop at the end of the member's slice, whose validation has just ended."""
    slices, batches, steps = member.reached, member.n_batches, member.n_steps
    optimizer = state["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    _count(state["epoch_loop.batch_progress"], batches, slices)
    for progress in (state["epoch_loop.scheduler_progress"], optimizer["step"], optimizer["zero_grad"]):
        _count(progress, steps, slices)
    _count(state["epoch_loop.val_loop.batch_progress"], member.n_scored, 1)
    for last in ("epoch_loop.batch_progress", "epoch_loop.val_loop.batch_progress"):
        state[last]["is_last_batch"] = True
    state["epoch_loop.state_dict"]["_batches_that_stepped"] = steps * slices
    for part in ("total", "current"):
        state["epoch_progress"][part] = {key: slices for key in state["epoch_progress"][part]} | {
            "completed": slices - 1
        }
    return state


def _count(progress: dict[str, Any], each: int, slices: int) -> None:
    """Sets what is counted over all slices, and in the last one."""
    progress["total"] = {key: each * slices for key in progress["total"]}
    progress["current"] = {key: each for key in progress["current"]}
