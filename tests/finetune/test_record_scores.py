import pytest

from lightning_quicktune.finetune.record_scores import TARGETS, record_losses, record_scores
from lightning_quicktune.finetune.scoring import ScoreSettings, split_metrics


@pytest.mark.parametrize("name", ["answer_likelihood", "label_accuracy"])
def test_the_means_are_those_of_the_whole_split(base, data, make_module, name):
    tokenizer, settings = make_module().tokenizer, ScoreSettings(name, max_new_tokens=4)
    found = record_scores(base.model, tokenizer, data, "test", settings)
    assert found.means == pytest.approx(split_metrics(base.model, tokenizer, data, "test", settings, generate=True))
    assert {len(values) for values in found.per_record.values()} == {7}
    weights = found.per_record[TARGETS]
    total = sum(loss * n for loss, n in zip(found.per_record["loss"], weights, strict=True))
    assert total / sum(weights) == pytest.approx(found.means["loss"])
    assert [each.index for each in found.written] == list(range(7))


def test_a_record_has_the_loss_that_it_has_alone(base, data):
    losses = record_losses(base.model, data.evaluation_dataloader("test"))
    loader = data.evaluation_dataloader("test")
    loader = type(loader)([loader.dataset[4]], collate_fn=loader.collate_fn)
    ((index, (loss, count)),) = record_losses(base.model, loader).items()
    assert losses[index][0] == pytest.approx(loss, rel=1e-5)
    assert losses[index][1] == count > 0


def test_fewer_answers_are_of_evenly_spaced_records(base, data, make_module):
    settings = ScoreSettings(max_new_tokens=2)
    found = record_scores(base.model, make_module().tokenizer, data, "test", settings, most_answers=3)
    assert len(found.written) == len(found.per_record["exact_match"]) == 3
    assert len(found.per_record["loss"]) == 7
    assert found.written[0].index == 0
