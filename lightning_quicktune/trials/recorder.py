"""Lightning callbacks that turn epochs into slices: record score and cost of each, and pause after one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_quicktune.finetune.module import CausalLMFinetuner
from lightning_quicktune.finetune.scoring import split_metrics
from lightning_quicktune.types import LearningCurve, SliceResult


class SliceRecorder(Callback):
    """Records score and cost of each slice; the curve travels in the checkpoint, so that the two always agree.

    Args:
        on_slice: Called with the curve after each slice.
        test_each_slice: Whether the test split is measured after each slice, outside the cost.
    """

    def __init__(self, on_slice: Callable[[LearningCurve], None], test_each_slice: bool) -> None:
        self.on_slice = on_slice
        self.test_each_slice = test_each_slice
        self.slices: list[SliceResult] = []
        self.test_s = 0.0
        self._wall = self._cpu = 0.0
        self._tokens = 0

    @property
    def curve(self) -> LearningCurve:
        """The slices so far."""
        return LearningCurve(tuple(self.slices))

    def state_dict(self) -> dict[str, Any]:
        """The curve, for the checkpoint."""
        return {"slices": [asdict(s) for s in self.slices], "test_s": self.test_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the curve over from a checkpoint."""
        self.slices = [SliceResult(**s) for s in state_dict["slices"]]
        self.test_s = state_dict["test_s"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clocks of a slice."""
        self._wall, self._cpu, self._tokens = time.perf_counter(), time.process_time(), 0

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
        """Ends a slice: stops the clocks, then tests outside the cost."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        metrics = {name.removeprefix("val/"): v for name, v in logged.items() if name.startswith("val/")}
        test = self._test(trainer, pl_module) if self.test_each_slice else {}
        score_name = pl_module.score.name if isinstance(pl_module, CausalLMFinetuner) else "score"
        self.slices.append(
            SliceResult(
                fidelity=len(self.slices) + 1,
                score=logged["score"],
                cost_s=wall,
                cost_cpu_s=cpu,
                cost_tokens=self._tokens,
                metrics=metrics,
                test_score=test.get(score_name),
                test_metrics=test,
            )
        )
        self.on_slice(self.curve)

    def _test(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        if not isinstance(module, CausalLMFinetuner):
            raise TypeError(f"Only a CausalLMFinetuner can be tested between slices, not a {type(module).__name__}.")
        start = time.perf_counter()
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        score = module.score
        metrics = split_metrics(module.model, module.tokenizer, data, "test", score, generate=score.generates)
        self.test_s += time.perf_counter() - start
        return metrics


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
