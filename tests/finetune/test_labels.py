import pytest
import torch

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.finetune.labels import label_totals, row_log_likelihood
from lightning_quicktune.finetune.loss import Targets, target_logits
from lightning_quicktune.finetune.scoring import ScoreSettings, split_metrics


def test_log_likelihood_of_a_row_is_that_of_a_plain_loop():
    logits, labels, rows = torch.randn(6, 5), torch.randint(5, (6,)), torch.tensor([0, 0, 0, 2, 2, 3])
    expected = torch.zeros(4)
    for logit, label, row in zip(logits, labels, rows, strict=True):
        expected[row] += logit.log_softmax(-1)[label]
    torch.testing.assert_close(row_log_likelihood(Targets(logits, labels, rows), 4), expected)


def test_the_likeliest_choice_is_right_or_wrong(base, data):
    hits, count = 0, 0
    for batch in data.choice_dataloader("validation"):
        with torch.no_grad():
            likelihood = row_log_likelihood(target_logits(base.model, batch), len(batch["labels"]))
        for number, right in enumerate(batch["right"].tolist()):
            own = likelihood[batch["record"] == number]
            hits += batch["choice"][batch["record"] == number][own.argmax()] == right
            count += 1
    assert label_totals(base.model, data.choice_dataloader("validation")) == (float(hits), count)
    assert count == 8


def test_label_accuracy_is_measured_when_it_is_the_score(base, data, make_module):
    tokenizer = make_module().tokenizer
    for name, measured in (("label_accuracy", True), ("answer_likelihood", False)):
        metrics = split_metrics(base.model, tokenizer, data, "test", ScoreSettings(name), generate=False)
        assert ("label_accuracy" in metrics) is measured


def test_an_answer_that_training_does_not_know_counts_as_wrong(settings, make_module, tmp_path, write_colours, base):
    folder = write_colours(tmp_path / "task")
    lines = (folder / "validation.jsonl").read_text().replace('"warm"', '"unheard of"')
    (folder / "validation.jsonl").write_text(lines)
    task = TaskData(str(folder))
    task.attach_tokenizer(make_module().tokenizer)
    task.setup("fit")
    unknown = lines.count("unheard of")
    hits, count = label_totals(base.model, task.choice_dataloader("validation"))
    assert unknown > 0
    assert hits <= count - unknown


def test_an_answer_of_no_tokens_is_refused():
    with pytest.raises(ValueError, match=r"`model.init_args.score.max_new_tokens` is 0"):
        ScoreSettings(max_new_tokens=0)
