"""The earlier place of ``CausalLMFinetuner``, which the YAMLs, records and checkpoints of its time name."""

from lightning_quicktune.finetune.finetuner import CausalLMFinetuner

__all__ = ["CausalLMFinetuner"]
