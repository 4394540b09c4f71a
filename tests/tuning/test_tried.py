from dataclasses import replace

from lightning_quicktune.tuning.tried import runner_up, tried, varied
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


def test_what_is_missing_in_one_counts_as_a_difference():
    pair = [Configuration({"a": 1, "b": "x"}), Configuration({"a": 1, "b": "x", "c": True})]
    assert varied(pair, ("c", "b", "a")) == ("c",)
