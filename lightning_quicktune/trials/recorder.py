"""Lightning callbacks that turn epochs into slices: score, cost and checkpoint of each, and pause after one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.scoring import final_answers, mean_over_ranks, means, split_metrics
from lightning_quicktune.trials.checkpoints import save_slice
from lightning_quicktune.types import DeviceInfo, LearningCurve, Overheads, SliceResult

Phase = Literal["start_s", "resume_s", "test_s", "save_s", "unfinished_s"]


@dataclass(frozen=True)
class SliceCost:
    """What a slice of a trial took, see ``SliceResult``."""

    wall_s: float
    cpu_s: float
    tokens: int
    cohort_size: int = 1


class SliceRecorder(Checkpoint):
    """Records score and cost of each slice and writes its checkpoint, in which the curve travels: the two always agree.

    All time is booked once: training and validation as the cost of a slice, everything else as an overhead. As a
    ``Checkpoint`` it is called after all other callbacks.

    Args:
        folder: Folder of the trial, where checkpoints are written.
        overheads: What earlier attempts took.
        on_slice: Called with the curve after each slice, when its checkpoint is safe.
        test_each_slice: Whether the test split is measured after each slice, outside the cost; after the last one of
            the schedule also by answers generated for a few of its records.
        began: When this attempt began, by ``time.perf_counter``.
    """

    def __init__(
        self,
        folder: Path,
        overheads: Overheads,
        on_slice: Callable[[LearningCurve], None],
        test_each_slice: bool,
        began: float,
    ) -> None:
        self.folder = folder
        self.overheads = overheads
        self.on_slice = on_slice
        self.test_each_slice = test_each_slice
        self.device: DeviceInfo | None = None
        self.slices: list[SliceResult] = []
        self._booked = began  # all time before is booked
        self._phase: Phase = "start_s"  # what time counts as from then on; in a slice, only if the slice doesn't end
        self._cpu = 0.0
        self._tokens = 0

    @property
    def curve(self) -> LearningCurve:
        """The slices so far."""
        return LearningCurve(tuple(self.slices))

    def leave_out(self, seconds: float) -> None:
        """Takes seconds out of what is booked next."""
        self._booked += seconds

    def resumes(self) -> None:
        """Says that this attempt goes on from a checkpoint."""
        self._phase = "resume_s"

    def take_share(self, name: Phase, seconds: float) -> None:
        """Books seconds that were spent for several trials at once.

        Args:
            name: What they count as.
            seconds: This trial's share.
        """
        self.overheads = replace(self.overheads, **{name: getattr(self.overheads, name) + seconds})

    def close(self) -> None:
        """Books the rest of an attempt."""
        self._book(self._phase)

    def state_dict(self) -> dict[str, Any]:
        """The curve, for the checkpoint."""
        return {"slices": [asdict(s) for s in self.slices]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the curve over from a checkpoint."""
        self.slices = [SliceResult(**s) for s in state_dict["slices"]]

    def add(
        self,
        score: float,
        metrics: Mapping[str, float],
        test_score: float | None,
        test_metrics: Mapping[str, float],
        cost: SliceCost,
    ) -> bool:
        """Adds a slice to the curve.

        Args:
            score: Validation score.
            metrics: Raw validation metrics.
            test_score: Score on the test split, if it was measured.
            test_metrics: Raw test metrics; empty if they weren't.
            cost: What the slice took.

        Returns:
            Whether it has the best score so far.
        """
        is_best = all(score > s.score for s in self.slices)
        self.slices.append(
            SliceResult(
                fidelity=len(self.slices) + 1,
                score=score,
                cost_s=cost.wall_s,
                cost_cpu_s=cost.cpu_s,
                cost_tokens=cost.tokens,
                metrics=metrics,
                test_score=test_score,
                test_metrics=test_metrics,
                device=self.device.name if self.device else None,
                threads=self.device.threads if self.device else None,
                reference_step_s=self.device.reference_step_s if self.device else None,
                cohort_size=cost.cohort_size,
            )
        )
        return is_best

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clocks of a slice."""
        self._book(self._phase)
        self._phase = "unfinished_s"
        self._cpu, self._tokens = time.process_time(), 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts tokens read in training."""
        self._tokens += int(batch["n_tokens"])

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Counts tokens read in validation."""
        self._tokens += int(batch["n_tokens"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends a slice: stops the clocks, tests outside the cost, then makes the slice safe."""
        cpu, wall = time.process_time() - self._cpu, self._elapsed()
        cpu, tokens = _over_ranks(trainer, cpu), int(_over_ranks(trainer, self._tokens))
        self._phase = "save_s"
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        test = self._test(trainer, pl_module) if self.test_each_slice else {}
        score_name = pl_module.score.name if isinstance(pl_module, Finetuner) else "score"
        metrics = {name.removeprefix("val/"): v for name, v in logged.items() if name.startswith("val/")}
        is_best = self.add(logged["score"], metrics, test.get(score_name), test, SliceCost(wall, cpu, tokens))
        save_slice(trainer, self.folder, is_best)
        self._book("save_s")
        self.on_slice(self.curve)

    def _test(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        if not isinstance(module, Finetuner):
            raise TypeError(f"Only a Finetuner can be tested between slices, not a {type(module).__name__}.")
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        score = module.score
        with trainer.precision_plugin.val_step_context():  # as the validation split is measured
            combine = means if trainer.world_size == 1 else partial(mean_over_ranks, device=module.device)
            metrics = split_metrics(
                module.model, module.tokenizer, data, "test", score, generate=score.generates, combine=combine
            )
            if not score.generates and len(self.slices) + 1 == trainer.max_epochs:  # once, to compare scores by
                metrics |= final_answers(module.model, module.tokenizer, data, score, combine)
        self._book("test_s")
        return metrics

    def _elapsed(self) -> float:
        """Seconds since the last booking, which are then booked."""
        now = time.perf_counter()
        elapsed, self._booked = now - self._booked, now
        return elapsed

    def _book(self, name: Phase) -> None:
        self.take_share(name, self._elapsed())


def _over_ranks(trainer: Trainer, value: float) -> float:
    """The sum over all devices that train this trial."""
    if trainer.world_size == 1:
        return value
    device: torch.device = trainer.strategy.root_device
    tensor = torch.tensor(value, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
    return float(trainer.strategy.reduce(tensor, reduce_op="sum"))


class PauseAt(Callback):
    """Ends the fit after a slice, leaving the length of the schedule (``trainer.max_epochs``) alone.

    Args:
        fidelity: Slices to reach, from 1.
    """

    def __init__(self, fidelity: int) -> None:
        self.fidelity = fidelity

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Asks Lightning to stop where the pause is."""
        if trainer.current_epoch + 1 >= self.fidelity:
            trainer.should_stop = True


class StepTeller(Callback):
    """Tells somebody who watches how far a slice is.

    Args:
        on_step: Called after each batch with its number in the slice, from 1, and how many there are.
    """

    def __init__(self, on_step: Callable[[int, int], None]) -> None:
        self.on_step = on_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tells of a batch."""
        self.on_step(batch_idx + 1, int(trainer.num_training_batches))
