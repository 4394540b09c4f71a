"""The Lightning callback that ends a cohort's slices: scores, costs, checkpoints and records of all members."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_quicktune.data.split_names import SplitName
from lightning_quicktune.finetune.cohort.checkpoint import MemberCheckpoints
from lightning_quicktune.finetune.cohort.module import CohortFinetuner
from lightning_quicktune.finetune.cohort.passes import SlicePasses
from lightning_quicktune.finetune.cohort.scoring import cohort_final_answers, cohort_metrics
from lightning_quicktune.finetune.finetuner import DivergedError
from lightning_quicktune.trials.recorder import Phase, SliceCost
from lightning_quicktune.trials.seat import Seat, wait_for

_WRITERS = 8


class CohortRecorder(Callback):
    """Ends each slice of a cohort as ``SliceRecorder`` ends that of a trial.

    A slice's time is shared among the members by the tokens that the model read for each, so that what is booked for a
    trial depends little on its neighbours; all other time is shared equally.

    Args:
        seats: The trials.
        module: What trains them.
        passes: Gives the passes of each slice.
        checkpoints: Makes their checkpoints.
        began: When the attempt began, by ``time.perf_counter``.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        module: CohortFinetuner,
        passes: SlicePasses,
        checkpoints: MemberCheckpoints,
        began: float,
    ) -> None:
        by_member = {seat.member: seat for seat in seats}
        self.seats = [by_member[member] for member in module.members]
        self.module = module
        self.passes = passes
        self.checkpoints = checkpoints
        self._booked = began
        self._phase: Phase = "start_s"
        self._cpu = 0.0
        self._tokens: list[int] = []
        self._scored = 0
        self._writers = ThreadPoolExecutor(_WRITERS)
        self._writing: list[tuple[Seat, Future[None]]] = []

    def close(self) -> None:
        """Books the rest, and records what is safe of the last slice."""
        self.book()
        try:
            self.finish()
        finally:
            self._writers.shutdown()

    def book(self) -> None:
        """Books what has passed since the last booking."""
        seconds = self._elapsed()
        for seat in self.seats:
            seat.share(self._phase, seconds / len(self.seats))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clocks of a slice."""
        self.book()
        self._phase, self._cpu, self._tokens = "unfinished_s", time.process_time(), [0] * len(self.seats)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts tokens read in training, and tells of the pass."""
        self._tokens = [known + more for known, more in zip(self._tokens, batch["n_tokens"], strict=True)]
        for seat in self.seats:
            if seat.on_step is not None:
                seat.on_step(batch_idx + 1, self.passes.n_passes)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the slice of all members; those that have diverged or come far enough leave."""
        self.finish()  # the slice before
        finite = self.module.finite()
        validation = self._metrics("validation")
        wait_for(self.module.bank.device)
        cpu, wall = time.process_time() - self._cpu, self._elapsed()
        self._phase = "test_s"
        test = self._test() if self.seats[0].plan.test_each_slice else [{} for _ in self.seats]
        self.book()
        self._phase = "save_s"
        self._write(finite, validation, test, self._costs(wall, cpu))
        self.book()
        self._go_on(trainer)

    def _write(
        self,
        finite: Sequence[bool],
        validation: Sequence[dict[str, float]],
        test: Sequence[dict[str, float]],
        costs: Sequence[SliceCost],
    ) -> None:
        """Has the checkpoints of members written while the next slice is trained; those that have diverged fail."""
        for k, seat in enumerate(self.seats):
            if finite[k] and math.isfinite(validation[k]["loss"]):
                is_best = self._add(k, validation[k], test[k], costs[k])
                content = self.module.checkpoint(self.checkpoints, k)
                self._writing.append((seat, self._writers.submit(seat.write, content, is_best, seat.progressed())))
            else:
                seat.fail(DivergedError("The loss is no longer a finite number."))

    def finish(self) -> None:
        """Waits for checkpoints that are being written, and records their slices.

        Raises:
            OSError: If one couldn't be written; the records of the others say what is safe.
        """
        self._writing, writing = [], self._writing
        failed = [error for seat, written in writing if (error := seat.tell_when(written)) is not None]
        for error in failed[:1]:
            raise error

    def _add(self, k: int, validation: dict[str, float], test: dict[str, float], cost: SliceCost) -> bool:
        """Adds a slice to a member's curve, and says whether it has the best score so far."""
        self.seats[k].member.reached += 1
        return self.seats[k].add_slice(validation, test, cost)

    def _go_on(self, trainer: Trainer) -> None:
        """Leaves those members behind that are no longer trained."""
        staying = [seat for seat in self.seats if not seat.has_left and seat.member.reached < seat.fidelity]
        if not staying:
            trainer.should_stop = True
            return
        if len(staying) < len(self.seats):
            self.seats = staying
            self.module.keep([seat.member for seat in staying])
        self.passes.orders = [seat.member.order for seat in self.seats]

    def _metrics(self, split: SplitName) -> list[dict[str, float]]:
        """Metrics of each member on a split."""
        seat = self.seats[0]
        with self.module.evaluating() as model:
            finetuner, data = seat.finetuner, seat.data
            return cohort_metrics(model, len(self.seats), finetuner.tokenizer, data, split, finetuner.score)

    def _test(self) -> list[dict[str, float]]:
        """Metrics of each member on the test split; after the last slice also on answers, unless the score has them."""
        seat, metrics = self.seats[0], self._metrics("test")
        ends = [s.member.reached + 1 == s.member.n_slices for s in self.seats]
        if any(ends) and not seat.finetuner.score.generates:
            with self.module.evaluating() as model:
                finetuner, data = seat.finetuner, seat.data
                answered = cohort_final_answers(model, len(self.seats), finetuner.tokenizer, data, finetuner.score)
            metrics = [m | a if end else m for m, a, end in zip(metrics, answered, ends, strict=True)]
        return metrics

    def _costs(self, wall: float, cpu: float) -> list[SliceCost]:
        """Each member's share of what the slice took."""
        if not self._scored:  # the same for all members and slices
            self._scored = sum(int(batch["n_tokens"]) for batch in self.seats[0].data.val_dataloader())
        tokens = [trained + self._scored for trained in self._tokens]
        total, size = sum(tokens), len(tokens)
        return [SliceCost(wall * own / total, cpu * own / total, own, size) for own in tokens]

    def _elapsed(self) -> float:
        now = time.perf_counter()
        elapsed, self._booked = now - self._booked, now
        return elapsed
