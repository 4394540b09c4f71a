import pytest

from lightning_quicktune.data.evaluation import EvaluationSettings, evenly_spaced


@pytest.mark.parametrize("key", ["batch_size", "max_eval_records", "max_generation_records", "max_choices"])
def test_evaluation_sizes_are_positive(key):
    with pytest.raises(ValueError, match=rf"`data\.init_args\.evaluation\.{key}` is -1, .*Raise it"):
        EvaluationSettings(**{key: -1})


def test_evenly_spaced_items_keep_their_order():
    assert evenly_spaced(range(10), 4) == [0, 2, 5, 7]
    assert evenly_spaced([1, 2], 4) == [1, 2]
