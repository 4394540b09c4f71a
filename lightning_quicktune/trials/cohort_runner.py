"""The runner of a cohort: many configurations of one task, trained in one pass over the frozen base model."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from lightning_quicktune.compose import quiet_upstream
from lightning_quicktune.finetune.cohort.checkpoint import KeptCheckpoint, MemberCheckpoints
from lightning_quicktune.finetune.cohort.module import CohortFinetuner
from lightning_quicktune.finetune.cohort.passes import SlicePasses
from lightning_quicktune.trials.attempts import interruptible, is_out_of_memory, known_trial
from lightning_quicktune.trials.cohort_recorder import CohortRecorder
from lightning_quicktune.trials.cohort_rules import can_join, check_cohort
from lightning_quicktune.trials.cohort_size import lora_rank
from lightning_quicktune.trials.facts import device_info
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.seat import Seat
from lightning_quicktune.trials.trainer import known_reference_step_s, trial_trainer
from lightning_quicktune.types import Trial

__all__ = ["can_join", "run_cohort"]

log = logging.getLogger(__name__)

OnRecord = Callable[[Path], object]
OnStep = Callable[[str, int, int], None]


def run_cohort(
    plans: Sequence[TrialPlan],
    fidelities: Sequence[int],
    on_record: OnRecord | None = None,
    on_step: OnStep | None = None,
) -> list[Trial]:
    """Trains each plan until its trial has as many slices as asked for, or ends without; what ``run_trial`` would give.

    Members begin at whatever slice each has reached; those that reach their fidelity leave, and the rest goes on. One
    that can't share a pass is trained alone, and so is what is left when memory is too small for two.

    Args:
        plans: What to train: trials of one task and base model, each in a folder of its own.
        fidelities: Slices to reach, one for each plan.
        on_record: Called with a trial's folder whenever its record has changed.
        on_step: Called with the id of each member's configuration, a batch's number in its slice, from 1, and how many
            there are.

    Returns:
        The trial records, in the order of the plans.

    Raises:
        ValueError: If the plans are no cohort, a fidelity is outside its range, or a folder holds a trial with other
            settings.
        OSError: If the disk is full, or a checkpoint can't be read now; the trials are as they were.
        KeyboardInterrupt: If the user stopped it; the trials are then paused.
    """
    if len(plans) != len(fidelities):
        raise ValueError(f"A cohort of {len(plans)} trials has {len(fidelities)} fidelities. Give one for each.")
    if not plans:
        return []
    check_cohort(plans)
    tell = on_record or (lambda folder: None)
    begun = [known_trial(plan, fidelity) for plan, fidelity in zip(plans, fidelities, strict=True)]
    waiting = [n for n, (_, has_reached) in enumerate(begun) if not has_reached]
    trials = {n: trial for n, (trial, _) in enumerate(begun)}
    reasons = {n: can_join(plans[n]) for n in waiting}
    together = [n for n in waiting if reasons[n] is None]
    for reason in sorted({r for r in reasons.values() if r is not None}):
        alone = [plans[n].key for n in waiting if reasons[n] == reason]
        log.warning("%s can't share a pass and %s alone: %s.", ", ".join(alone), _verb(alone), reason)
    with warnings.catch_warnings():
        quiet_upstream()
        steps = [None if on_step is None else partial(on_step, plan.configuration.id) for plan in plans]
        seats = [Seat(plans[n], trials[n], fidelities[n], tell, steps[n]) for n in together]
        _train(seats)
    trials |= {n: seat.trial for n, seat in zip(together, seats, strict=True)}
    for n in waiting:
        if n not in together:
            trials[n] = run_trial(plans[n], fidelities[n], on_record, steps[n])
    return [trials[n] for n in range(len(plans))]


def _verb(names: Sequence[str]) -> str:
    return "is trained" if len(names) == 1 else "are trained"


def _train(seats: Sequence[Seat]) -> None:
    """Trains trials side by side; where memory is too small, half of them after the other half.

    The halves are those of low and of high ranks, because all members are padded to the highest rank among them.
    """
    if len(seats) == 1:
        _train_alone(seats[0])
        return
    try:
        if seats:
            _Run(seats).train()
    except Exception as error:
        left = [seat for seat in seats if not seat.has_left]
        if not is_out_of_memory(error) or not left:
            raise
        left.sort(key=lambda seat: lora_rank(seat.plan.resolved))
        half = -(-len(left) // 2)
        log.warning(
            "Memory is too small for %d trials side by side; they go on %d at a time from the last slice of each.",
            len(left),
            half,
        )
    else:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    for part in (left[:half], left[half:]):
        again = [Seat(seat.plan, seat.trial, seat.fidelity, seat.on_record, seat.on_step) for seat in part]
        _train(again)
        for seat, anew in zip(part, again, strict=True):
            seat.trial = anew.trial


def _train_alone(seat: Seat) -> None:
    seat.trial = run_trial(seat.plan, seat.fidelity, seat.on_record, seat.on_step)


class _Run:
    """One fit of a cohort."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        self.began = time.perf_counter()
        self.seats = list(seats)

    @property
    def left(self) -> list[Seat]:
        """Those that have not left."""
        return [seat for seat in self.seats if not seat.has_left]

    def train(self) -> None:
        """Trains until every member has left.

        Raises:
            MemoryError: If memory is too small for so many; or an error of the device that means the same.
        """
        try:
            with interruptible():
                self._fit()
        except KeyboardInterrupt:
            for seat in self.left:
                seat.leave("paused")
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            for seat in self.left:
                seat.fail(error)
        finally:
            for seat in self.seats:
                seat.release()

    def _fit(self) -> None:
        for seat in self.seats:
            seat.sit_down()
        checkpoints = self._checkpoints()
        for seat in self.left:
            seat.set_up(checkpoints)
        seats = self.left
        if not seats:
            return
        module, passes = self._placed(seats, checkpoints)
        recorder = CohortRecorder(seats, module, passes, checkpoints, self.began)
        trainer = _trainer(seats[0], [recorder], max_epochs=max(seat.missing for seat in seats))
        try:
            trainer.fit(module, passes)
        finally:
            module.close()
            recorder.close()

    def _checkpoints(self) -> MemberCheckpoints:
        kept = KeptCheckpoint()
        return MemberCheckpoints(_trainer(self.seats[0], [], plugins=[kept]), kept)

    def _placed(self, seats: Sequence[Seat], checkpoints: MemberCheckpoints) -> tuple[CohortFinetuner, SlicePasses]:
        """Module and data of the members, where each has begun or is where its checkpoint has it."""
        first, device = seats[0], checkpoints.trainer.strategy.root_device
        start = time.perf_counter()
        info = device_info(device, known_reference_step_s(first.finetuner, device))
        self.began += time.perf_counter() - start
        module = CohortFinetuner(first.finetuner.loaded, [seat.member for seat in seats])
        module.place(device)
        module.begin(checkpoints, {seat.member: seat.saved for seat in seats if seat.saved is not None})
        for seat in seats:
            seat.recorder.device = info
            seat.keep()
        passes = SlicePasses(first.data, max(seat.data.batch_size for seat in seats))
        passes.orders = [member.order for member in module.members]
        return module, passes


def _trainer(seat: Seat, callbacks: list[Callback], **instead: Any) -> Trainer:
    """A trainer of the members' fit YAML, without what each of them has of its own."""
    own = {"accumulate_grad_batches": 1, "gradient_clip_val": None, "gradient_clip_algorithm": None}
    return trial_trainer(seat.composed, seat.plan.folder, callbacks, **{**own, **instead})
