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

from lightning_quicktune.data.packing import first_fit_decreasing
from lightning_quicktune.data.sampler import SampleRef
from lightning_quicktune.data.tokens import Layout, TokenRecord

IGNORE_INDEX = -100

Batch = dict[str, Any]


@dataclass(frozen=True)
class TrainingCollator:
    """Makes a micro-batch of an optimizer step.

    Batch:
        input_ids, attention_mask, labels: int64, shape ``(B, T)``, right-padded; labels are ``IGNORE_INDEX`` where
            no loss is taken. For an encoder-decoder, labels are the answers alone, shape ``(B, K)``.
        position_ids: Instead of ``attention_mask`` where records are packed: the place of each token in its own
            record, from 0; the padding of a row counts as a record.
        step_targets: Target tokens of the whole step over all micro-batches and ranks, int64, shape ``()``.
        noise_keys: What a record's dropout and noise depend on, int32, shape ``(B,)``; in packed rows of the record
            that each token is of, shape ``(B, T)``.
        n_tokens: Tokens without padding.

    Args:
        pad_id: Any token id.
        layout: What the model reads in one row.
        packing: Whether several records share a row.
    """

    pad_id: int
    layout: Layout = "decoder"
    packing: bool = False

    def __call__(self, samples: Sequence[tuple[TokenRecord, SampleRef]]) -> Batch:
        """Lays out the records, and masks those that don't count."""
        tokens = [record for record, _ in samples]
        counted = [reference.counted for _, reference in samples]
        keys = np.array([reference.noise_key for _, reference in samples], dtype=np.int32)
        if self.packing:
            batch = packed_batch(tokens, counted, self.pad_id)
            batch["noise_keys"] = _packed_keys(keys, [record.n_tokens for record in tokens])
        else:
            batch = padded_batch(tokens, counted, self.pad_id, self.layout)
            batch["noise_keys"] = torch.from_numpy(keys)
        return {**batch, "step_targets": torch.tensor(samples[0][1].step_targets)}


@dataclass(frozen=True)
class EvaluationCollator:
    """Makes a batch for scoring.

    Batch:
        input_ids, attention_mask, labels, n_tokens: As in training.
        indices: Which records of the split, int64, shape ``(B,)``.

    Args:
        pad_id: Any token id.
        layout: What the model reads in one row.
    """

    pad_id: int
    layout: Layout = "decoder"

    def __call__(self, samples: Sequence[tuple[TokenRecord, int]]) -> Batch:
        """Pads the records."""
        batch = padded_batch([tokens for tokens, _ in samples], [True] * len(samples), self.pad_id, self.layout)
        return {**batch, "indices": torch.tensor([index for _, index in samples])}


@dataclass(frozen=True)
class PromptCollator:
    """Makes a batch for generation.

    Batch:
        input_ids, attention_mask: int64, shape ``(B, T)``, prompts, padded on the left: a decoder goes on from their
            ends. An encoder reads them as in training, padded on the right.
        prompts, references: The texts, one per record.
        answer_marks: Token ids that stand between reasoning and answer, one tuple per record; empty without reasoning.
        indices: Which records of the split, int64, shape ``(B,)``.

    Args:
        pad_id: Any token id.
        layout: What the model reads in one row.
    """

    pad_id: int
    layout: Layout = "decoder"

    def __call__(self, samples: Sequence[tuple[TokenRecord, int]]) -> Batch:
        """Pads the prompts."""
        prompts = [tokens.prompt_ids for tokens, _ in samples]
        left = self.layout == "decoder"
        return {
            "input_ids": pad(prompts, self.pad_id, left=left),
            "attention_mask": pad([np.ones_like(ids) for ids in prompts], 0, left=left),
            "prompts": [tokens.prompt_text for tokens, _ in samples],
            "references": [tokens.answer for tokens, _ in samples],
            "answer_marks": [tokens.answer_mark for tokens, _ in samples],
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


def padded_batch(tokens: Sequence[TokenRecord], counted: Sequence[bool], pad_id: int, layout: Layout) -> Batch:
    """One record per row.

    Args:
        tokens: The records.
        counted: Whether each is learned.
        pad_id: What fills up.
        layout: What the model reads in one row.

    Returns:
        ``input_ids``, ``attention_mask``, ``labels`` and ``n_tokens`` as in ``TrainingCollator``.
    """
    labels = [_labels(record, counts) for record, counts in zip(tokens, counted, strict=True)]
    inputs = [record.input_ids for record in tokens]
    if layout == "encoder_decoder":
        inputs = [record.prompt_ids for record in tokens]
        labels = [row[record.prompt_length :] for row, record in zip(labels, tokens, strict=True)]
    return {
        "input_ids": pad(inputs, pad_id),
        "attention_mask": pad([np.ones_like(ids) for ids in inputs], 0),
        "labels": pad(labels, IGNORE_INDEX),
        "n_tokens": sum(record.n_tokens for record in tokens),
    }


def packed_batch(tokens: Sequence[TokenRecord], counted: Sequence[bool], pad_id: int) -> Batch:
    """The same records end to end in fewer rows, none of which is wider than the longest record.

    On 23 question-answer tasks, 8 or 16 records at a time, 81 % of such rows is text, against 60 to 67 % of padded
    ones; of length-bucketed micro-batches 87 %, against 81 to 85 %. Rows of twice the width: 2 to 4 points more, but
    twice the attention, and more memory than without packing.

    Args:
        tokens: The records.
        counted: Whether each is learned.
        pad_id: What fills up.

    Returns:
        ``input_ids``, ``labels``, ``position_ids`` and ``n_tokens`` as in ``TrainingCollator``.
    """
    labels = [_labels(record, counts) for record, counts in zip(tokens, counted, strict=True)]
    for row in labels:
        row[0] = IGNORE_INDEX  # else the record before would learn to predict it
    lengths = [record.n_tokens for record in tokens]
    rows = _rows(lengths)
    return {
        "input_ids": pad([np.concatenate([tokens[index].input_ids for index in row]) for row in rows], pad_id),
        "labels": pad([np.concatenate([labels[index] for index in row]) for row in rows], IGNORE_INDEX),
        "position_ids": _positions([[lengths[index] for index in row] for row in rows]),
        "n_tokens": sum(lengths),
    }


def _rows(lengths: Sequence[int]) -> list[list[int]]:
    """Which records share a row."""
    return first_fit_decreasing(lengths, max(lengths))


def _packed_keys(keys: npt.NDArray[np.int32], lengths: Sequence[int]) -> Int[Tensor, "B T"]:
    """Each token's key, where the records lie as ``packed_batch`` has laid them; 0 for padding."""
    laid = [np.repeat(keys[row], [lengths[index] for index in row]) for row in _rows(lengths)]
    return pad([row.astype(np.int64) for row in laid], 0).to(torch.int32)


def _labels(record: TokenRecord, counts: bool) -> npt.NDArray[np.int64]:
    return np.where(record.target_mask & counts, record.input_ids, IGNORE_INDEX)


def _positions(rows: Sequence[Sequence[int]]) -> Int[Tensor, "B T"]:
    """Positions that restart with each record and with the padding, given the records' lengths."""
    width = max(map(sum, rows))
    parts = [[*row, width - sum(row)] for row in rows]
    return torch.from_numpy(np.stack([np.concatenate([np.arange(length) for length in row]) for row in parts]))
