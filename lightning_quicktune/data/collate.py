"""Token records to padded batches; padding is masked by position, because its id may be a real token's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Dataset

from lightning_quicktune.data.sampler import SampleRef
from lightning_quicktune.data.tokens import TokenRecord

IGNORE_INDEX = -100

Batch = dict[str, Any]


@dataclass(frozen=True)
class TrainingCollator:
    """Makes a micro-batch of an optimizer step.

    Batch:
        input_ids, attention_mask, labels: int64, shape ``(B, T)``, right-padded; labels are ``IGNORE_INDEX`` where
            no loss is taken.
        step_targets: Target tokens of the whole step over all micro-batches and ranks, int64, shape ``()``.
        n_tokens: Tokens without padding.

    Args:
        pad_id: Any token id.
    """

    pad_id: int

    def __call__(self, samples: Sequence[tuple[TokenRecord, SampleRef]]) -> Batch:
        """Pads the records, and masks those that don't count."""
        batch = _padded([tokens for tokens, _ in samples], [reference.counted for _, reference in samples], self.pad_id)
        return {**batch, "step_targets": torch.tensor(samples[0][1].step_targets)}


@dataclass(frozen=True)
class EvaluationCollator:
    """Makes a batch for scoring.

    Batch:
        input_ids, attention_mask, labels, n_tokens: As in training.
        indices: Which records of the split, int64, shape ``(B,)``.

    Args:
        pad_id: Any token id.
    """

    pad_id: int

    def __call__(self, samples: Sequence[tuple[TokenRecord, int]]) -> Batch:
        """Pads the records."""
        batch = _padded([tokens for tokens, _ in samples], [True] * len(samples), self.pad_id)
        return {**batch, "indices": torch.tensor([index for _, index in samples])}


@dataclass(frozen=True)
class PromptCollator:
    """Makes a batch for generation.

    Batch:
        input_ids, attention_mask: int64, shape ``(B, T)``, left-padded prompts.
        prompts, references: The texts, one per record.
        indices: Which records of the split, int64, shape ``(B,)``.

    Args:
        pad_id: Any token id.
    """

    pad_id: int

    def __call__(self, samples: Sequence[tuple[TokenRecord, int]]) -> Batch:
        """Pads the prompts."""
        prompts = [tokens.prompt_ids for tokens, _ in samples]
        return {
            "input_ids": pad(prompts, self.pad_id, left=True),
            "attention_mask": pad([np.ones_like(ids) for ids in prompts], 0, left=True),
            "prompts": [tokens.prompt_text for tokens, _ in samples],
            "references": [tokens.answer for tokens, _ in samples],
            "indices": torch.tensor([index for _, index in samples]),
        }


class TrainingDataset(Dataset[tuple[TokenRecord, SampleRef]]):
    """Training records by their place in a step.

    Args:
        tokens: The records.
    """

    def __init__(self, tokens: Sequence[TokenRecord]) -> None:
        self.tokens = tokens

    def __getitem__(self, reference: SampleRef) -> tuple[TokenRecord, SampleRef]:
        return self.tokens[reference.index], reference

    def __len__(self) -> int:
        return len(self.tokens)


def pad(rows: Sequence[npt.NDArray[np.int64]], value: int, *, left: bool = False) -> Int[Tensor, "B T"]:
    """Rows of unequal length as one tensor.

    Args:
        rows: At least one row.
        value: What fills up.
        left: Whether the filling goes before the row.

    Returns:
        The rows, int64, as wide as the longest.
    """
    padded = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for target, row in zip(padded, rows, strict=True):
        target[len(target) - len(row) if left else 0 :][: len(row)] = row
    return torch.from_numpy(padded)


def _padded(tokens: Sequence[TokenRecord], counted: Sequence[bool], pad_id: int) -> Batch:
    labels = [
        np.where(record.target_mask & counts, record.input_ids, IGNORE_INDEX)
        for record, counts in zip(tokens, counted, strict=True)
    ]
    return {
        "input_ids": pad([record.input_ids for record in tokens], pad_id),
        "attention_mask": pad([np.ones_like(record.input_ids) for record in tokens], 0),
        "labels": pad(labels, IGNORE_INDEX),
        "n_tokens": sum(record.n_tokens for record in tokens),
    }
