import math
from dataclasses import replace

import pytest

from lightning_quicktune.tuning.report import report
from lightning_quicktune.tuning.tried import borders, chosen_curve, chosen_from, luck, runner_up, tried, varied
from lightning_quicktune.types import Configuration


def test_configurations_come_by_their_best_score_and_those_without_one_last(make_outcome):
    found = tried(make_outcome())
    scores = [each.best for each in found]
    assert len(found) == 12
    assert scores[:10] == sorted(scores[:10], reverse=True)
    assert scores[10:] == [None, None]
    assert {each.ended for each in found[10:]} == {"failed", "interrupted"}


def test_what_a_resumed_trial_took_is_added_up(make_outcome):
    outcome = make_outcome(n_trials=2)
    entries = outcome.result.entries
    again = replace(outcome, result=replace(outcome.result, entries=(*entries, entries[0])))
    (before,) = [t for t in tried(outcome) if t.configuration == outcome.space.default]
    (after,) = [t for t in tried(again) if t.configuration == outcome.space.default]
    assert after.cost_s == 2 * before.cost_s
    assert after.scores == before.scores


def test_the_runner_up_is_the_best_that_was_not_chosen(make_outcome):
    outcome = make_outcome()
    assert runner_up(outcome) == tried(outcome)[1]
    assert runner_up(make_outcome(n_trials=1)) is None


@pytest.mark.parametrize("n_records", [4, 10**7])
def test_how_many_others_come_as_near_as_the_best_score_is_exact(make_outcome, n_records):
    outcome = make_outcome()
    told = replace(outcome, task=replace(outcome.task, facts={"validation_records": n_records}))
    best, *others = [each.best for each in tried(told) if each.scores]
    error = math.sqrt(best * (1 - best) / n_records)
    near = sum(score > best - error for score in others)
    assert bool(near) == (n_records == 4)
    words = f"{near} of the others came nearer, so which" if near else "none of the others came nearer."
    assert f"on {n_records} validation records: a standard error of {error:.3f}" in luck(told)
    assert f"It is the best of {1 + len(others)} configurations, and {words}" in report(told, None)


def test_nothing_is_said_of_luck_where_records_are_unknown_or_nothing_else_was_tried(make_outcome):
    assert luck(replace(make_outcome(), task=replace(make_outcome().task, facts={}))) is None
    alone = make_outcome(n_trials=1)
    said = luck(replace(alone, task=replace(alone.task, facts={"validation_records": 9})))
    assert "standard error" in said
    assert "others" not in said


def test_a_choice_is_known_by_the_row_it_comes_from(make_outcome):
    outcome = make_outcome()
    assert chosen_from(outcome) is None
    recipe = outcome.row("recipe")
    equal = (replace(recipe, name="default"), recipe, replace(recipe, name="chosen"))
    assert chosen_from(replace(outcome, rows=equal)) == "recipe"
    assert chosen_from(replace(outcome, rows=())) is None


def test_the_chosen_curve_is_found_where_it_was_trained(make_outcome):
    outcome = make_outcome()
    assert chosen_curve(outcome) == tried(outcome)[0].scores
    assert chosen_curve(replace(outcome, rows=())) == tried(outcome)[0].scores
    row = replace(outcome.row("chosen"), config_id=Configuration({"lr": 0.5}).id, curve=(0.1, 0.2))
    compared = replace(outcome.incumbent, configuration=Configuration({"lr": 0.5}))
    assert chosen_curve(replace(outcome, rows=(row,), incumbent=compared)) == (0.1, 0.2)
    assert chosen_curve(replace(outcome, rows=(), incumbent=None)) == ()


def test_a_recipe_outside_of_the_space_lies_at_no_border(make_outcome):
    outcome = make_outcome()
    assert "lora_dropout" in [each.name for each in borders(outcome)]
    beyond = Configuration({**outcome.incumbent.configuration.values, "weight_decay": 0.0, "lora_dropout": 0.5})
    found = borders(replace(outcome, incumbent=replace(outcome.incumbent, configuration=beyond)))
    assert not {"weight_decay", "lora_dropout"} & {each.name for each in found}


def test_what_is_missing_in_one_counts_as_a_difference():
    pair = [Configuration({"a": 1, "b": "x"}), Configuration({"a": 1, "b": "x", "c": True})]
    assert varied(pair, ("c", "b", "a")) == ("c",)
