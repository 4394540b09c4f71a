import pytest

from lightning_quicktune.data.evaluation import EvaluationSettings


@pytest.mark.parametrize("key", ["batch_size", "max_eval_records", "max_generation_records", "max_choices"])
def test_evaluation_sizes_are_positive(key):
    with pytest.raises(ValueError, match=rf"`data\.init_args\.evaluation\.{key}` is -1, .*Raise it"):
        EvaluationSettings(**{key: -1})
