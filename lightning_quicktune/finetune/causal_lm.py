"""The LightningModule that finetunes decoder-only models: Phi-3, Llama, Qwen, Gemma, GPT-2."""

from __future__ import annotations

from typing import ClassVar

from lightning_quicktune.data.tokens import Layout
from lightning_quicktune.finetune.finetuner import Finetuner


class CausalLMFinetuner(Finetuner):
    """Finetunes an adapter on a frozen causal language model: question and answer are one sequence."""

    layout: ClassVar[Layout] = "decoder"
