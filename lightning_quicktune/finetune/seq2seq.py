"""The LightningModule that finetunes encoder-decoder models: T5 and its kin."""

from __future__ import annotations

from typing import ClassVar

from lightning_quicktune.data.tokens import Layout
from lightning_quicktune.finetune.finetuner import Finetuner


class Seq2SeqFinetuner(Finetuner):
    """Finetunes an adapter on a frozen encoder-decoder: it reads the question and writes the answer."""

    layout: ClassVar[Layout] = "encoder_decoder"
