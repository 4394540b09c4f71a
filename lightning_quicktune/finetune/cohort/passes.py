"""The passes of one slice of a cohort: equally many training records of each member, ordered by member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from lightning_quicktune.data.collate import Batch, padded_batch
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.sampler import SampleRef, SliceBatchSampler
from lightning_quicktune.finetune.loss import predicted_labels, target_places


@dataclass(frozen=True)
class MemberOrder:
    """The order in which a member trains.

    Args:
        sampler: Its micro-batches, slice by slice.
        slice_index: The slice, from 0, that it is in.
    """

    sampler: SliceBatchSampler
    slice_index: int

    def steps(self) -> list[list[SampleRef]]:
        """The records of each optimizer step of the slice, in the order of its micro-batches."""
        self.sampler.set_epoch(self.slice_index)
        records = (reference for batch in self.sampler for reference in batch)
        n_records = self.sampler.shape.records
        return list(iter(lambda: list(islice(records, n_records)), []))

    @property
    def step_records(self) -> int:
        """Records of a full step, or of the slice if it has fewer."""
        return min(self.sampler.shape.records, self.sampler.records_per_slice)


@dataclass(frozen=True)
class Piece:
    """One member's part of a pass.

    Args:
        records: At most as many as a pass has rows for each member; the other rows are idle.
        ends_step: Whether the member's optimizer steps afterwards.
    """

    records: Sequence[SampleRef] = ()
    ends_step: bool = False


def rows_of_pass(orders: Sequence[MemberOrder], most: int) -> int:
    """Rows that each member has in a pass: as many as the smallest step has records, so that hardly a row is idle.

    Args:
        orders: The members.
        most: Most rows.
    """
    return min([most, *(order.step_records for order in orders)])


def pieces_of(order: MemberOrder, n_rows: int) -> list[Piece]:
    """A member's parts of all passes of its slice.

    Args:
        order: The member.
        n_rows: Rows that it has in a pass.
    """
    pieces = []
    for step in order.steps():
        starts = range(0, len(step), n_rows)
        pieces += [Piece(step[start : start + n_rows], start == starts[-1]) for start in starts]
    return pieces


class SlicePasses:
    """Batches of all passes of the slice that the members are in whenever it is walked through.

    Batch:
        input_ids, attention_mask, labels: As of ``TrainingCollator``, ``n_rows`` rows for each member in turn.
        noise_keys: int32, shape ``(rows,)``.
        target_places: Of ``target_places``, int64, shape ``(K,)``.
        step_targets: Target tokens of the step that each member is in, int64, shape ``(members,)``; 0 if it is idle.
        n_tokens: Tokens of each member's records, a list.
        steps: Members whose optimizer steps after the pass, a list.

    Args:
        data: The data of any member: all have the same records.
        most_rows: Most rows of each member in a pass.

    Attributes:
        n_passes: Passes of the slice that was begun last; 0 before the first.
    """

    def __init__(self, data: TaskData, most_rows: int) -> None:
        self.tokens = data.tokens("train")
        self.pad_id = data.pad_id
        self.layout = data.token_settings.layout
        self.most_rows = most_rows
        self.orders: list[MemberOrder] = []
        self.n_passes = 0

    def __iter__(self) -> Iterator[Batch]:
        n_rows = rows_of_pass(self.orders, self.most_rows)
        parts = [pieces_of(order, n_rows) for order in self.orders]
        self.n_passes = max(map(len, parts))
        for number in range(self.n_passes):
            yield self._batch([own[number] if number < len(own) else Piece() for own in parts], n_rows)

    def _batch(self, pieces: Sequence[Piece], n_rows: int) -> Batch:
        idle = SampleRef(0, 0, counted=False)
        rows = [r for piece in pieces for r in (*piece.records, *[idle] * (n_rows - len(piece.records)))]
        shortest = min((self.tokens[r.index] for r in rows if r.counted), key=lambda record: record.n_tokens)
        records = [self.tokens[r.index] if r.counted else shortest for r in rows]
        batch: dict[str, Any] = padded_batch(records, [r.counted for r in rows], self.pad_id, self.layout)
        predicted = predicted_labels(batch["labels"], self.layout == "encoder_decoder")
        return {
            **batch,
            "noise_keys": torch.from_numpy(np.array([r.noise_key for r in rows], dtype=np.int32)),
            "target_places": target_places(predicted),
            "step_targets": torch.tensor([p.records[0].step_targets if p.records else 0 for p in pieces]),
            "n_tokens": [sum(self.tokens[r.index].n_tokens for r in piece.records) for piece in pieces],
            "steps": [k for k, piece in enumerate(pieces) if piece.ends_step],
        }
