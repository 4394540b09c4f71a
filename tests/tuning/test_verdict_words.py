from dataclasses import replace

import pytest

from lightning_quicktune.tuning.rows import Compared, Gain
from lightning_quicktune.tuning.verdict_words import gain_words, judgement, measured, metric_names, recipe_name


def row(**metrics):
    per_record = {name: tuple(values) for name, values in metrics.items()}
    means = {name: sum(values) / len(values) for name, values in per_record.items()}
    return Compared("chosen", "ab", 3, 0.5, means, per_record)


@pytest.mark.parametrize(
    ("ends", "over", "title", "advice"),
    [
        ((0.21, 0.08, 0.33), "recipe", "Better than your recipe as written, by 0.210", "(39 of 63)."),
        ((-0.1, -0.2, -0.01), "default", "Worse than the default of the search space, by 0.100", "keep the default of"),
        ((0.02, -0.1, 0.1), "zero-shot", "No clear difference from the base model as it is (+0.020)", "keep the base"),
    ],
)
def test_the_interval_decides_the_verdict(make_outcome, ends, over, title, advice):
    judged = judgement(make_outcome(gain=Gain(over, "label_accuracy", *ends, 63)))
    assert judged.title == title
    assert advice in judged.sentence


def test_a_recipe_of_the_package_is_not_called_the_user_s(make_outcome):
    shipped = make_outcome(has_shipped_recipe=True)
    assert judgement(shipped).title == "Better than the shipped recipe, by 0.210"
    assert "with the shipped recipe to" in judgement(shipped).sentence
    worse = replace(shipped, gain=Gain("recipe", "label_accuracy", -0.1, -0.2, -0.05, 60))
    assert judgement(worse).sentence.endswith("Don't use it: keep the shipped recipe.")
    assert (recipe_name(shipped), recipe_name(make_outcome())) == ("shipped recipe", "your recipe")


def test_an_interval_that_ends_at_0_is_no_gain(make_outcome):
    assert judgement(make_outcome(gain=Gain("recipe", "label_accuracy", 0.1, 0.0, 0.2, 63))).direction == "unclear"


def test_a_fall_is_not_called_a_rise(make_outcome):
    gain = Gain("recipe", "label_accuracy", -0.1, -0.2, -0.05, 12)
    assert "On 12 test records, label accuracy falls by 0.100" in judgement(make_outcome(gain=gain)).sentence


@pytest.mark.parametrize(("n", "title"), [(1, "1 test record tells nothing"), (9, "9 test records tell nothing")])
def test_an_interval_of_too_few_records_is_no_verdict(make_outcome, n, title):
    judged = judgement(make_outcome(gain=Gain("recipe", "label_accuracy", 0.5, 0.5, 0.5, n)))
    assert (judged.direction, judged.title) == ("unclear", title)
    assert judged.sentence.endswith("Test on 10 at the least.")


def test_without_a_comparison_nothing_is_claimed(make_outcome):
    assert judgement(make_outcome(gain=None)).direction == "unknown"
    assert "0.619 (39 of 63)" in judgement(make_outcome(gain=None)).sentence
    nothing = replace(make_outcome(), incumbent=None, gain=None)
    assert judgement(nothing).title == "Nothing was chosen"


def test_right_or_wrong_is_counted_and_everything_else_is_a_mean():
    mixed = row(exact_match=[1.0, 0.0, 0.0], answer_likelihood=[0.25, 0.5, 0.75])
    assert measured(mixed, "exact_match") == "0.333 (1 of 3)"
    assert measured(mixed, "answer_likelihood") == "0.500"
    assert measured(mixed, "rouge_l") == "not measured"


def test_gains_are_told_with_their_number_of_records():
    assert gain_words(Gain("recipe", "exact_match", 0.21, 0.08, 0.33, 63)) == "+0.210 (+0.080 to +0.330), 63 records"
    assert gain_words(Gain("recipe", "exact_match", 0.0, 0.0, 0.0, 1)).endswith("1 record")


def test_the_task_s_own_metric_is_told_first(make_outcome):
    assert metric_names(make_outcome()) == ["label_accuracy", "answer_likelihood", "loss"]
