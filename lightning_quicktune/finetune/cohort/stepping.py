"""Optimizer steps of the members of a cohort: those of one class side by side, each with its own settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from lightning_quicktune.finetune.cohort.bank import AdapterBank
from lightning_quicktune.finetune.cohort.layout import KINDS
from lightning_quicktune.finetune.cohort.member import Member
from lightning_quicktune.finetune.cohort.rules import Rule
from lightning_quicktune.finetune.optimizers import UPDATE_SCALE

_OF_MAGNITUDES = 3  # dimensions of a segment of magnitudes; of matrices 4
_PARTS = {"a": "lora_A", "b": "lora_B", "magnitude": "lora_magnitude_vector"}  # of the names of weights
_STEP = "step"  # in the state of a weight: how many it has taken


class Stepper:
    """Steps the optimizers of all members.

    Members whose optimizer is of a class with a ``Rule`` take their steps together; what the optimizer would keep of
    their weights is then kept here, and put into it for a checkpoint. All others step one by one.

    Args:
        bank: Weights and gradients.
        members: The members, in the order of the bank: those of one class side by side.
    """

    def __init__(self, bank: AdapterBank, members: Sequence[Member]) -> None:
        self.bank = bank
        self.members = members
        self.blocks: list[_Block] = []
        for rule, run in groupby(enumerate(members), key=lambda pair: pair[1].rule):
            own = list(run)
            if rule is not None:
                self.blocks.append(_Block(bank, [member for _, member in own], own[0][0], rule))
        self._together = {k for block in self.blocks for k in range(block.start, block.end)}

    def step(self, stepping: Sequence[int]) -> None:
        """Clips, steps and clears the gradients of members whose step is complete.

        Args:
            stepping: Which of them step, in rising order.
        """
        for block in self.blocks:
            for start, end in _runs([k for k in stepping if block.start <= k < block.end]):
                block.step(start, end)
        for k in stepping:
            member = self.members[k]
            if k not in self._together:
                _clip(member)
                member.optimizer.step()
            member.scheduler.step()
        for start, end in _runs(stepping):
            for gradients in self.bank.gradients:
                gradients[:, start:end].zero_()

    def give_state(self, k: int, on_host: bool = False) -> None:
        """Puts what is kept here of one member's weights into its optimizer, as views.

        Args:
            k: Which member.
            on_host: Whether of a copy in the memory of the CPU.
        """
        for block in self.blocks:
            if block.start <= k < block.end:
                block.give_state(k - block.start, on_host)

    def take_state(self) -> None:
        """Takes over what each member's optimizer holds, after it has read a checkpoint."""
        for block in self.blocks:
            block.take_state()


class _Block:
    """Neighbouring members whose optimizers are of one class."""

    def __init__(self, bank: AdapterBank, members: Sequence[Member], start: int, rule: type[Rule]) -> None:
        self.bank = bank
        self.members = members
        self.start = start
        self.end = start + len(members)
        self.rule = rule
        own = [rule.new_state(weights[:, self.start : self.end]) for weights in bank.weights]
        self.states = [list(tensors) for tensors in zip(*own, strict=True)]  # of each kind of state, all segments
        self.steps = [0] * len(members)
        self.kinds = [_kinds(member) for member in members]
        self.groups = [_groups(member, kinds) for member, kinds in zip(members, self.kinds, strict=True)]
        self.clip = [member.clip or float("inf") for member in members]
        for member in members:
            vars(member.optimizer)["_opt_called"] = True  # else its schedule warns: the steps are taken here

    def step(self, start: int, end: int) -> None:
        """Steps members ``start`` to ``end`` of the bank."""
        first, last = start - self.start, end - self.start
        for k in range(first, last):
            self.steps[k] += 1
        with torch.no_grad():
            self._clip(start, end, self.clip[first:last])
            numbers = self._numbers(first, last)
            for place, segment in enumerate(self.bank.layout.segments):
                weights, gradients = (t[place][:, start:end] for t in (self.bank.weights, self.bank.gradients))
                state = [tensors[place][:, first:last] for tensors in self.states]
                spread = (-1, *(1,) * (weights.ndim - 2))
                own = {name: values.view(spread) for name, values in numbers[segment.kind].items()}
                self.rule.move(segment.kind, weights, gradients, state, own)

    def _clip(self, start: int, end: int, clip: list[float]) -> None:
        """Shortens gradients that are longer than each member's own limit."""
        own = [gradients[:, start:end] for gradients in self.bank.gradients]
        squares = [g.square().sum([0, *range(2, g.ndim)]) for g in own]
        norm = torch.stack(squares).sum(0).sqrt()
        limit = torch.tensor(clip, dtype=norm.dtype).to(norm.device, non_blocking=True)
        factor = (limit / (norm + 1e-6)).clamp_max(1.0)
        for g in own:
            g.mul_(factor.view(-1, *(1,) * (g.ndim - 2)))

    def _numbers(self, first: int, last: int) -> dict[str, dict[str, Tensor]]:
        """Settings of each kind of weight, as one tensor for each, from one transfer."""
        names = (*self.rule.settings, "rank")
        rows = []
        for k in range(first, last):
            for kind in KINDS:
                group = self.groups[k][kind]
                own = self.rule.numbers(group, self.steps[k])
                own["lr"] *= group.get(UPDATE_SCALE, 1.0)
                rows.append([*(own[name] for name in self.rule.settings), self.bank.rows[self.start + k].lora.rank])
        table = torch.tensor(rows, dtype=self.bank.dtype).to(self.bank.device, non_blocking=True)
        table = table.view(last - first, len(KINDS), len(names))
        return {kind: dict(zip(names, table[:, n].unbind(1), strict=True)) for n, kind in enumerate(KINDS)}

    def give_state(self, k: int, on_host: bool) -> None:
        """Puts views of a member's state into its optimizer."""
        optimizer, rank = self.members[k].optimizer, self.bank.rows[self.start + k].lora.rank
        states = [host_copies(tensors, k, rank) for tensors in self.states] if on_host else self.states
        views = self._views(k, states, 0 if on_host else k)
        for group in optimizer.param_groups:
            for weight in group["params"] if self.steps[k] else ():
                names = self.rule.names(self.kinds[k][weight], group)
                found = dict(zip((n for n in names if n != _STEP), views[weight], strict=False))
                if names:
                    step = {_STEP: torch.tensor(float(self.steps[k]))} if _STEP in names else {}
                    optimizer.state[weight] = step | found

    def take_state(self) -> None:
        """Takes over what each member's optimizer holds."""
        for k, member in enumerate(self.members):
            views = self._views(k, self.states, k)
            for group in member.optimizer.param_groups:
                for weight in group["params"]:
                    names = (n for n in self.rule.names(self.kinds[k][weight], group) if n != _STEP)
                    state = member.optimizer.state.get(weight, {})
                    for name, view in zip(names, views[weight], strict=False):
                        if state.get(name) is not None:
                            view.copy_(state[name])
            self.steps[k] = member.reached * member.n_steps
            member.optimizer.state.clear()

    def _views(self, k: int, states: Sequence[list[Tensor]], place: int) -> dict[Any, list[Tensor]]:
        """What is kept of each weight of a member, which has that place in the tensors."""
        weights = dict(self.members[k].weights.named_parameters())
        parts = [self.bank.of_member(tensors, self.start + k, place) for tensors in states]
        return {weight: [part[name] for part in parts] for name, weight in weights.items()}


def host_copies(tensors: Sequence[Tensor], k: int, rank: int) -> list[Tensor]:
    """Copies of one member's part of each segment, without padding, in the memory of the CPU.

    Args:
        tensors: One for each segment.
        k: Which member.
        rank: Its rank.
    """
    own = [t[:, k : k + 1] if t.ndim == _OF_MAGNITUDES else t[:, k : k + 1, :rank] for t in tensors]
    copies = [torch.empty(t.shape, dtype=t.dtype, pin_memory=t.is_cuda) for t in own]
    for copy, tensor in zip(copies, own, strict=True):
        copy.copy_(tensor, non_blocking=True)
    return copies


def _kinds(member: Member) -> dict[Any, str]:
    """The kind of each weight of a member."""
    return {
        weight: next(kind for kind, part in _PARTS.items() if part in name)
        for name, weight in member.weights.named_parameters()
    }


def _groups(member: Member, kinds: dict[Any, str]) -> dict[str, Any]:
    """The parameter group of each kind of weight; of a kind that it lacks, the first."""
    groups = member.optimizer.param_groups
    found = dict.fromkeys(KINDS, groups[0])
    for group in groups:
        found |= dict.fromkeys((kinds[weight] for weight in group["params"]), group)
    return found


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring places, each as its first and one beyond its last."""
    for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        own = [place for _, place in run]
        yield own[0], own[-1] + 1


def _clip(member: Member) -> None:
    if not member.clip:
        return
    weights = list(member.weights.parameters())
    if member.clip_algorithm == "value":
        torch.nn.utils.clip_grad_value_(weights, member.clip)
    else:
        torch.nn.utils.clip_grad_norm_(weights, member.clip)
