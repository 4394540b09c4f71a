import math
from collections import Counter
from itertools import product

import pytest

from lightning_quicktune.data.sampler import SampleRef, SliceBatchSampler, StepShape

N_RECORDS = 23
LENGTHS = [(7 * i) % 13 + 4 for i in range(N_RECORDS)]
TARGETS = [i % 5 + 1 for i in range(N_RECORDS)]


def sampler(shape, records_per_slice=N_RECORDS, seed=0):
    return SliceBatchSampler(LENGTHS, TARGETS, records_per_slice, shape, seed)


def ranks(records_per_slice, batch_size, accumulate=1, world_size=1, epoch=0):
    """Micro-batches of all ranks."""
    shapes = [StepShape(batch_size, accumulate, world_size, rank) for rank in range(world_size)]
    samplers = [sampler(shape, records_per_slice) for shape in shapes]
    for one in samplers:
        one.set_epoch(epoch)
        assert len(one) == len(list(one))
    return [list(one) for one in samplers]


def steps(all_ranks, accumulate):
    """References of each optimizer step, over micro-batches and ranks."""
    n_steps = -(-len(all_ranks[0]) // accumulate)
    return [
        [ref for micro in all_ranks for batch in micro[step * accumulate : (step + 1) * accumulate] for ref in batch]
        for step in range(n_steps)
    ]


SHAPES = [(8, 1, 1), (2, 4, 1), (2, 2, 2), (1, 8, 1), (1, 1, 8), (4, 1, 2)]


@pytest.mark.parametrize("records_per_slice", [1, 7, 8, 9, 16, 23, 50])
def test_steps_of_eight_hold_the_same_records_however_they_are_spread(records_per_slice):
    spread = {shape: steps(ranks(records_per_slice, *shape, epoch=2), accumulate=shape[1]) for shape in SHAPES}
    counted = {
        shape: [sorted(ref.index for ref in step if ref.counted) for step in own] for shape, own in spread.items()
    }
    assert all(own == counted[8, 1, 1] for own in counted.values())
    assert [len(step) for step in counted[8, 1, 1]] == [8] * (records_per_slice // 8) + (
        [records_per_slice % 8] if records_per_slice % 8 else []
    )


@pytest.mark.parametrize(
    ("records_per_slice", "batch_size", "accumulate", "world_size"),
    list(product([1, 5, 23, 40], [1, 3, 4], [1, 2, 4], [1, 2, 3])),
)
def test_step_targets_are_the_sum_over_micro_batches_and_ranks(records_per_slice, batch_size, accumulate, world_size):
    all_ranks = ranks(records_per_slice, batch_size, accumulate, world_size, epoch=1)
    assert len({len(micro) for micro in all_ranks}) == 1
    assert all(1 <= len(batch) <= batch_size for micro in all_ranks for batch in micro)
    for step in steps(all_ranks, accumulate):
        assert {ref.step_targets for ref in step} == {sum(TARGETS[ref.index] for ref in step if ref.counted)}
    n_counted = sum(ref.counted for micro in all_ranks for batch in micro for ref in batch)
    assert n_counted == records_per_slice


def test_a_rank_without_a_record_gets_one_that_does_not_count():
    first, second = ranks(5, batch_size=2, accumulate=1, world_size=2)
    assert [[ref.counted for ref in batch] for batch in first] == [[True, True], [False]]
    assert [[ref.counted for ref in batch] for batch in second] == [[True, True], [True]]
    assert first[1][0].step_targets == second[1][0].step_targets


@pytest.mark.parametrize("records_per_slice", [4, 10, 23, 60])
def test_no_record_comes_again_before_all_have_come(records_per_slice):
    one = sampler(StepShape(4), records_per_slice)
    walk = [index for epoch in range(7) for index in one.slice_records(epoch)]
    assert len(walk) == 7 * records_per_slice
    for start in range(0, len(walk) - N_RECORDS + 1, N_RECORDS):
        assert sorted(walk[start : start + N_RECORDS]) == list(range(N_RECORDS))
    counts = Counter(walk)
    assert len(counts) == N_RECORDS
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_slice_depends_on_seed_and_number_alone():
    resumed, uninterrupted = sampler(StepShape(4), 10), sampler(StepShape(4), 10)
    for epoch in range(4):
        uninterrupted.set_epoch(epoch)
        expected = list(uninterrupted)
    resumed.set_epoch(3)
    assert list(resumed) == list(resumed) == expected
    other = sampler(StepShape(4), 10, seed=1)
    other.set_epoch(3)
    assert list(other) != expected
    assert sampler(StepShape(4)).slice_records(0) != sampler(StepShape(4)).slice_records(1)


def test_records_of_a_step_are_bucketed_by_length():
    shape = StepShape(4, accumulate=3)

    def padding(batches):
        return sum(max(LENGTHS[r.index] for r in batch) - LENGTHS[r.index] for batch in batches for r in batch)

    one = sampler(shape)
    bucketed, order = list(one), [SampleRef(index, 0, True) for index in one.slice_records(0)]
    assert padding(bucketed) < padding([order[start : start + 4] for start in range(0, len(order), 4)])
    first_step = [LENGTHS[ref.index] for batch in bucketed[:3] for ref in batch]
    assert first_step == sorted(first_step)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("records_per_slice", [7, 23, 50])
def test_bucketing_never_changes_which_records_share_a_step(shape, records_per_slice):
    own = steps(ranks(records_per_slice, *shape, epoch=3), accumulate=shape[1])
    order, n = sampler(StepShape(8), records_per_slice).slice_records(3), math.prod(shape)
    assert [sorted(ref.index for ref in step if ref.counted) for step in own] == [
        sorted(order[start : start + n]) for start in range(0, len(order), n)
    ]


def test_lightning_finds_set_epoch():
    from lightning.fabric.utilities.data import _set_sampler_epoch
    from torch.utils.data import DataLoader

    one = sampler(StepShape(4))
    _set_sampler_epoch(DataLoader(range(N_RECORDS), batch_sampler=one), 6)
    assert one.epoch == 6


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_empty_steps_are_an_error(sizes):
    with pytest.raises(ValueError, match=r"trains on nothing: .*`data\.init_args\.batch_size`.*`trainer\.devices`"):
        StepShape(*sizes)


def test_an_unknown_rank_is_an_error():
    with pytest.raises(ValueError, match=r"Rank 2 is none of 0 to 1.*`trainer\.devices`"):
        StepShape(1, world_size=2, rank=2)


def test_an_empty_slice_is_an_error():
    with pytest.raises(ValueError, match=r"`data\.init_args\.records_per_slice` is 0.*leave it out"):
        sampler(StepShape(1), 0)


@pytest.mark.parametrize(("batch_size", "accumulate", "world_size"), SHAPES)
def test_noise_keys_differ_for_all_records_of_a_slice_on_all_ranks_and_in_the_next_slice(
    batch_size, accumulate, world_size
):
    slices = [ranks(16, batch_size, accumulate, world_size, epoch=epoch) for epoch in (0, 1, 0)]
    keys = [[ref.noise_key for own in found for batch in own for ref in batch if ref.counted] for found in slices]
    assert len(set(keys[0] + keys[1])) == 32
    assert keys[0] == keys[2]
    assert all(-(2**31) <= key < 2**31 for key in keys[0])
