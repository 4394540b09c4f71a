"""Optimizer steps of the members of a cohort, each on its own gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from lightning_quicktune.finetune.cohort.bank import AdapterBank
from lightning_quicktune.finetune.cohort.member import Member


def step_members(bank: AdapterBank, members: Sequence[Member], stepping: Iterable[int]) -> None:
    """Clips, steps and clears the gradients of members whose step is complete.

    Args:
        bank: Their weights and gradients.
        members: All members, in the order of the bank.
        stepping: Which of them step.
    """
    for k in stepping:
        member = members[k]
        _clip(member)
        member.optimizer.step()
        member.scheduler.step()
        for gradients in bank.gradients:
            gradients[:, k].zero_()


def _clip(member: Member) -> None:
    if not member.clip:
        return
    weights = list(member.weights.parameters())
    if member.clip_algorithm == "value":
        torch.nn.utils.clip_grad_value_(weights, member.clip)
    else:
        torch.nn.utils.clip_grad_norm_(weights, member.clip)
