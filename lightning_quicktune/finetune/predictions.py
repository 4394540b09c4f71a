"""Predictions as JSON lines: what ``predict`` generates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter


class AnswerWriter(BasePredictionWriter):
    """Writes one JSON object per record: prompt, reference and generated answer.

    Args:
        path: The file to write; with several ranks, each writes its own beside it.
    """

    def __init__(self, path: str) -> None:
        super().__init__(write_interval="batch")
        self.path = Path(path)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Empties the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file(trainer).write_text("")

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Sequence[dict[str, str]],
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Appends the answers of one batch."""
        with self._file(trainer).open("a") as file:
            file.writelines(json.dumps(answer, ensure_ascii=False) + "\n" for answer in prediction)

    def _file(self, trainer: Trainer) -> Path:
        if trainer.world_size == 1:
            return self.path
        return self.path.with_name(f"{self.path.stem}-rank{trainer.global_rank}{self.path.suffix}")
