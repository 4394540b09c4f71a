"""The passes of a slice hold each member's records once, in its own order, and end its steps where they end."""

import pytest

from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.data.sampler import SliceBatchSampler, StepShape
from lightning_quicktune.finetune.cohort.passes import MemberOrder, SlicePasses, pieces_of, rows_of_pass

LENGTHS = [5 + n % 7 for n in range(40)]


def order(batch_size, accumulate=1, seed=1, slice_index=0, records=22):
    shape = StepShape(batch_size, accumulate)
    return MemberOrder(SliceBatchSampler(LENGTHS, [3] * 40, records, shape, seed), slice_index)


@pytest.mark.parametrize("n_rows", [1, 3, 4, 8])
@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 1), (8, 1), (8, 2), (8, 4), (5, 1)])
def test_pieces_are_the_steps_in_their_order(batch_size, accumulate, n_rows):
    own = order(batch_size, accumulate, slice_index=2)
    pieces = pieces_of(own, n_rows)
    assert max(len(piece.records) for piece in pieces) <= n_rows
    steps: list[list] = [[]]
    for piece in pieces:
        steps[-1] += piece.records
        if piece.ends_step:
            steps.append([])
    assert steps.pop() == []
    own.sampler.set_epoch(2)
    dealt = [reference for batch in own.sampler for reference in batch]
    assert [reference for step in steps for reference in step] == dealt
    assert [len(step) for step in steps[:-1]] == [batch_size * accumulate] * (len(steps) - 1)
    assert all(len({reference.step_targets for reference in step}) == 1 for step in steps)


def test_rows_of_a_pass_are_those_of_the_smallest_step():
    assert rows_of_pass([order(8), order(4), order(8, 4)], most=8) == 4
    assert rows_of_pass([order(8, 4)], most=8) == 8
    assert rows_of_pass([order(8), order(8, 4, records=3)], most=8) == 3


def test_batches_are_ordered_by_member_and_idle_rows_have_no_target(data):
    passes = SlicePasses(data, most_rows=8)
    n_train = len(data.tokens("train"))
    tokens = data.tokens("train")
    lengths, targets = [t.n_tokens for t in tokens], [t.n_targets for t in tokens]
    samplers = [SliceBatchSampler(lengths, targets, n_train, StepShape(size), 1) for size in (4, 5)]
    passes.orders = [MemberOrder(sampler, 0) for sampler in samplers]
    trained = [0, 0]
    steps = [0, 0]
    for batch in passes:
        assert len(batch["labels"]) == len(batch["noise_keys"]) == 2 * 4
        for k in range(2):
            rows = batch["labels"][4 * k : 4 * k + 4]
            has_target = (rows != IGNORE_INDEX).any(1)
            trained[k] += int(has_target.sum())
            assert int(batch["step_targets"][k]) > 0 or not has_target.any()
            steps[k] += k in batch["steps"]
        assert len(batch["target_places"]) == int((batch["labels"][:, 1:] != IGNORE_INDEX).sum())
    assert trained == [n_train, n_train]
    assert steps == [-(-n_train // 4), -(-n_train // 5)]
