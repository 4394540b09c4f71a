"""The earlier place of ``Seq2SeqFinetuner``, which the YAMLs, records and checkpoints of its time name."""

from lightning_quicktune.finetune.finetuner import Seq2SeqFinetuner

__all__ = ["Seq2SeqFinetuner"]
