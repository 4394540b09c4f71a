"""Closed answer sets: each question with every answer that the training records know, for scoring by likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.collate import Batch, padded_batch
from lightning_quicktune.data.encode import Encoder, answers_apart
from lightning_quicktune.data.loading import CACHED_TASKS, LoadedTask, TokenSettings
from lightning_quicktune.data.split_names import SplitName
from lightning_quicktune.data.tokens import Layout, TokenRecord
from lightning_quicktune.data.turns import BadRecordError, Record

NO_CHOICE = -1


@dataclass(frozen=True, eq=False)
class ChoiceSample:
    """One record with all choices in the place of its answer.

    Args:
        index: Which record of the split.
        rows: The record with each choice, in the order of the choices; only the choice is a target.
        right: Which choice is the record's answer, or ``NO_CHOICE``.
    """

    index: int
    rows: tuple[TokenRecord, ...]
    right: int


@dataclass(frozen=True)
class ChoiceCollator:
    """Makes a batch in which all choices of a record lie together.

    Batch:
        input_ids, attention_mask, labels, n_tokens: As in training, one row per record and choice.
        record: Which record of the batch a row belongs to, int64, shape ``(rows,)``.
        choice: Which choice a row holds, int64, shape ``(rows,)``.
        right: The right choice of each record, int64, shape ``(B,)``; -1 where no choice is right.
        indices: Which records of the split, int64, shape ``(B,)``.

    Args:
        pad_id: Any token id.
        layout: What the model reads in one row.
    """

    pad_id: int
    layout: Layout

    def __call__(self, samples: Sequence[ChoiceSample]) -> Batch:
        """Pads the rows."""
        rows = [row for sample in samples for row in sample.rows]
        places = [(number, choice) for number, sample in enumerate(samples) for choice in range(len(sample.rows))]
        record, choice = torch.tensor(places).T
        return {
            **padded_batch(rows, [True] * len(rows), self.pad_id, self.layout),
            "record": record,
            "choice": choice,
            "right": torch.tensor([sample.right for sample in samples]),
            "indices": torch.tensor([sample.index for sample in samples]),
        }


def answer_choices(task: LoadedTask, max_choices: int) -> tuple[str, ...]:
    """The distinct answers of the training records, sorted.

    Args:
        task: The task.
        max_choices: Most answers of a closed set.

    Raises:
        ValueError: If there are more.
    """
    choices = sorted({record.answer for record in task.splits["train"].records})
    if len(choices) > max_choices:
        raise ValueError(
            f"The training records have {len(choices)} different answers, such as {choices[0][:40]!r} and "
            f"{choices[-1][:40]!r}, but a closed set has at most {max_choices}: each question is scored with each of "
            "them. Raise `data.init_args.evaluation.max_choices`, or set `model.init_args.score.name` to another "
            "score, such as answer_likelihood."
        )
    return tuple(choices)


@lru_cache(maxsize=CACHED_TASKS)
def choice_samples(
    task: LoadedTask,
    split: SplitName,
    indices: tuple[int, ...],
    choices: tuple[str, ...],
    settings: TokenSettings,
    tokenizer: PreTrainedTokenizerBase,
) -> tuple[ChoiceSample, ...]:
    """Encodes records of a split with each choice, once per process however often they are scored.

    Args:
        task: The task; tasks are shared by the trials of a process.
        split: Which split.
        indices: Which of its records.
        choices: The closed set.
        settings: How records become tokens.
        tokenizer: The base model's tokenizer.

    Raises:
        ValueError: If a record is too long with one of the choices.
    """
    encoder = Encoder(tokenizer, settings.template, settings.layout)
    samples = []
    for index in indices:
        record = answers_apart(task.splits[split].records[index])[-1]
        rows = tuple(_row(record, choice, settings, encoder) for choice in choices)
        right = choices.index(record.answer) if record.answer in choices else NO_CHOICE
        samples.append(ChoiceSample(index, rows, right))
    return tuple(samples)


def _row(record: Record, choice: str, settings: TokenSettings, encoder: Encoder) -> TokenRecord:
    """The record with a choice in the place of its answer, which alone is learned."""
    try:
        (row,) = encoder.encode(replace(record, turns=(*record.turns[:-1], replace(record.turns[-1], content=choice))))
    except BadRecordError as error:
        raise ValueError(
            f"{record.where} can't be scored with the answer {choice[:40]!r} of a training record: {error}. Set "
            "`model.init_args.score.name` to another score, such as answer_likelihood."
        ) from error
    if row.n_tokens > settings.max_length:
        raise ValueError(
            f"{record.where} has {row.n_tokens} tokens with the answer {choice[:40]!r}, which is more than "
            f"{settings.max_length}; it can only be scored with every answer that the training records know. Raise "
            "`data.init_args.max_length`, or set `model.init_args.score.name` to another score."
        )
    return row
