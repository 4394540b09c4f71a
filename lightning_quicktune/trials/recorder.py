"""Lightning callbacks that turn epochs into slices: score, cost and checkpoint of each, and pause after one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.generation import answer_totals
from lightning_quicktune.finetune.scoring import split_metrics
from lightning_quicktune.trials.checkpoints import save_slice
from lightning_quicktune.types import DeviceInfo, LearningCurve, Overheads, SliceResult

_ANSWERS = 16  # test records that answers are generated for after the last slice
_Phase = Literal["start_s", "resume_s", "test_s", "save_s", "unfinished_s"]


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
        self._phase: _Phase = "start_s"  # what time counts as from then on; in a slice, only if the slice doesn't end
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

    def close(self) -> None:
        """Books the rest of an attempt."""
        self._book(self._phase)

    def state_dict(self) -> dict[str, Any]:
        """The curve, for the checkpoint."""
        return {"slices": [asdict(s) for s in self.slices]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the curve over from a checkpoint."""
        self.slices = [SliceResult(**s) for s in state_dict["slices"]]

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
        self._phase = "save_s"
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        test = self._test(trainer, pl_module) if self.test_each_slice else {}
        score_name = pl_module.score.name if isinstance(pl_module, Finetuner) else "score"
        is_best = all(logged["score"] > s.score for s in self.slices)
        self.slices.append(
            SliceResult(
                fidelity=len(self.slices) + 1,
                score=logged["score"],
                cost_s=wall,
                cost_cpu_s=cpu,
                cost_tokens=self._tokens,
                metrics={name.removeprefix("val/"): v for name, v in logged.items() if name.startswith("val/")},
                test_score=test.get(score_name),
                test_metrics=test,
                device=self.device.name if self.device else None,
                threads=self.device.threads if self.device else None,
                reference_step_s=self.device.reference_step_s if self.device else None,
            )
        )
        save_slice(trainer, self.folder, is_best)
        self._book("save_s")
        self.on_slice(self.curve)

    def _test(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        if not isinstance(module, Finetuner):
            raise TypeError(f"Only a Finetuner can be tested between slices, not a {type(module).__name__}.")
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        score = module.score
        metrics = split_metrics(module.model, module.tokenizer, data, "test", score, generate=score.generates)
        if not score.generates and len(self.slices) + 1 == trainer.max_epochs:  # once, so that scores can be compared
            limit = min(_ANSWERS, data.evaluation.max_generation_records or _ANSWERS)
            prompts = data.prompt_dataloader("test", limit)
            totals = answer_totals(module.model, module.tokenizer, prompts, score.max_new_tokens)
            metrics |= {name: total / count for name, (total, count) in totals.items()}
        self._book("test_s")
        return metrics

    def _elapsed(self) -> float:
        """Seconds since the last booking, which are then booked."""
        now = time.perf_counter()
        elapsed, self._booked = now - self._booked, now
        return elapsed

    def _book(self, name: _Phase) -> None:
        seconds = getattr(self.overheads, name) + self._elapsed()
        self.overheads = replace(self.overheads, **{name: seconds})


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
