"""Finds the finetuning recipe for a dataset and a language model by transfer from earlier finetuning runs."""

__version__ = "0.1.0"
