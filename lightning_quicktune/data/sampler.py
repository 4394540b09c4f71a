"""The order of training records: slices that depend on the seed alone, cut into steps, micro-batches and ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import Sampler

from lightning_quicktune.data.seeding import mixed_seed, noise_key


@dataclass(frozen=True)
class SampleRef:
    """One record's place in an optimizer step.

    Args:
        index: Which training record.
        step_targets: Target tokens of the whole step, over all micro-batches and ranks.
        counted: Whether it is learned; if not, it only gives a rank something to do while others learn.
        noise_key: What its dropout and noise depend on, see ``noise_key``.
    """

    index: int
    step_targets: int
    counted: bool
    noise_key: int = 0


@dataclass(frozen=True)
class StepShape:
    """How the records of one optimizer step are spread.

    Args:
        batch_size: Records per device and micro-batch, at least 1.
        accumulate: Micro-batches per device and step, at least 1.
        world_size: Devices, at least 1.
        rank: This device, from 0.
    """

    batch_size: int
    accumulate: int = 1
    world_size: int = 1
    rank: int = 0

    def __post_init__(self) -> None:
        if min(self.batch_size, self.accumulate, self.world_size) < 1:
            raise ValueError(
                f"A step of {self.batch_size} records x {self.accumulate} micro-batches x {self.world_size} devices "
                "trains on nothing: each must be at least 1. Raise `data.init_args.batch_size`, "
                "`trainer.accumulate_grad_batches` or `trainer.devices`."
            )
        if not 0 <= self.rank < self.world_size:
            raise ValueError(
                f"Rank {self.rank} is none of 0 to {self.world_size - 1}, so its records would be trained by nobody. "
                "Check how the processes were started, and `trainer.devices` and `trainer.num_nodes`."
            )

    @property
    def records(self) -> int:
        """Records of a full step, over all devices."""
        return self.batch_size * self.accumulate * self.world_size


class SliceBatchSampler(Sampler[list[SampleRef]]):
    """Yields this rank's micro-batches of one slice; a slice is one Lightning epoch.

    Slices walk along an endless row of seeded permutations of the training records: slice ``e`` holds the positions
    from ``e * records_per_slice`` on. So a slice's records depend on the seed and ``e`` alone, never on the batch
    size, the number of devices or what was drawn before; and no record comes again before all others have come.

    Args:
        lengths: Tokens of each training record.
        targets: Target tokens of each.
        records_per_slice: Records of one slice, at least 1.
        shape: How a step's records are spread.
        seed: Seed of the permutations.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        targets: Sequence[int],
        records_per_slice: int,
        shape: StepShape,
        seed: int,
    ) -> None:
        if records_per_slice < 1:
            raise ValueError(
                f"`data.init_args.records_per_slice` is {records_per_slice}, but a slice needs at least 1 record to "
                "train on. Raise it, or leave it out to take the whole training split."
            )
        self.lengths = lengths
        self.targets = targets
        self.records_per_slice = records_per_slice
        self.shape = shape
        self.seed = seed
        self.epoch = 0

    @property
    def sampler(self) -> SliceBatchSampler:
        """Itself: Lightning tells the epoch to ``batch_sampler.sampler``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Chooses the slice, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Micro-batches of this rank, the same on all ranks and in all slices."""
        full, rest = divmod(self.records_per_slice, self.shape.records)
        return full * self.shape.accumulate + self._micro_batches(rest)

    def __iter__(self) -> Iterator[list[SampleRef]]:
        records = self.slice_records(self.epoch)
        for start in range(0, len(records), self.shape.records):
            yield from self._deal(records[start : start + self.shape.records], start)

    def slice_records(self, epoch: int) -> list[int]:
        """Indices of one slice's records, in order."""
        n_records = len(self.lengths)
        first = epoch * self.records_per_slice
        end = first + self.records_per_slice
        walk: list[int] = []
        for number in range(first // n_records, (end - 1) // n_records + 1):
            walk += self._permutation(number)
        offset = first % n_records
        return walk[offset : offset + self.records_per_slice]

    def _permutation(self, number: int) -> list[int]:
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, number, "order"))
        order: list[int] = torch.randperm(len(self.lengths), generator=generator).tolist()
        return order

    def _micro_batches(self, n_records: int) -> int:
        """Micro-batches per rank that a step of ``n_records`` takes."""
        return -(-n_records // (self.shape.batch_size * self.shape.world_size))

    def _deal(self, step: list[int], first: int) -> Iterator[list[SampleRef]]:
        """This rank's micro-batches of one step; neighbours in length go to different ranks at the same time."""
        seed = mixed_seed(self.seed, self.epoch, "noise")
        step_targets = sum(self.targets[index] for index in step)
        step = sorted(step, key=lambda index: self.lengths[index])
        n_parts = self._micro_batches(len(step)) * self.shape.world_size
        for part in range(self.shape.rank, n_parts, self.shape.world_size):
            # parts of nearly equal size: at most one record apart
            own = range(part * len(step) // n_parts, (part + 1) * len(step) // n_parts)
            if own:
                yield [SampleRef(step[n], step_targets, True, noise_key(seed, first + n)) for n in own]
            else:
                yield [SampleRef(step[0], step_targets, counted=False)]
