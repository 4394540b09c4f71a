from dataclasses import replace

import pytest

from lightning_quicktune.search.curve_transfer_searcher import Forecast
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.search.state import Incumbent, SearchResult, SearchState
from lightning_quicktune.tuning.report import report
from lightning_quicktune.types import (
    BaseModelInfo,
    Configuration,
    LearningCurve,
    Observation,
    SliceResult,
    Suggestion,
    TaskInfo,
)

TASK = TaskInfo("new", BaseModelInfo("tiny", 1000, "ab"), "answer_likelihood", 3, 16, 0.2)


def entry(configuration, n_slices, failed=False, score=0.5):
    curve = LearningCurve(tuple(SliceResult(i, score, 1.0, 1.0, 1) for i in range(1, n_slices + 1)))
    return JournalEntry(Suggestion(configuration, 2), Observation(configuration, curve, failed, 2.0), 0.1, 60.0)


def written(space, entries, task=TASK, **changes):
    state = SearchState(60.0, 2, len(entries), 0, Incumbent(entries[0].suggestion.configuration, 1, 0.5))
    return report(task, "random", SearchResult(state, tuple(entries), "budget"), [], space, "search.png", **changes)


def test_no_predicted_score_is_outside_of_where_scores_are(small_space, monkeypatch):
    monkeypatch.setattr("lightning_quicktune.tuning.report.headline", lambda *a: "Found.")
    predicted = ((1, 1.04, 0.1, 0.9, 0), (2, 0.5, 0.1, 0.6, 1))
    forecasts = tuple(Forecast(small_space.default, *each) for each in predicted)
    text = written(small_space, [entry(small_space.default, 2)], verdict=Verdict(forecasts, 0.0, 0.0))
    assert "| slice | predicted (90% interval) | observed |" in text
    assert "| 1 | 1.000 (0.876 to 1.000) | 0.900 |" in text
    assert "| 2 | 0.500 (0.336 to 0.664) | 0.600 |" in text


def test_what_errors_interrupted_is_told_from_what_failed(small_space, monkeypatch):
    monkeypatch.setattr("lightning_quicktune.tuning.report.headline", lambda *a: "Found.")
    lost, failed = small_space.sample(2, seed=0)
    entries = [entry(small_space.default, 2), entry(lost, 0, failed=True), entry(failed, 1, failed=True)]
    lines = written(small_space, entries, interrupted=frozenset({lost.id})).splitlines()
    ends = {c.id: next(line for line in lines if f"| {c.id} | started" in line) for c in (lost, failed)}
    assert "interrupted by errors, twice" in ends[lost.id]
    assert "failed" in ends[failed.id]


def test_the_border_of_what_was_tried(small_space, monkeypatch):
    monkeypatch.setattr("lightning_quicktune.tuning.report.headline", lambda *a: "Found.")
    tried = [Configuration({**small_space.default.values, "lr": lr}) for lr in (0.03, 0.01, 0.003)]
    text = written(small_space, [entry(c, 1) for c in tried])
    assert "- lr 0.03 is the largest that was tried; better may lie beyond" in text


@pytest.mark.parametrize(
    ("n_records", "error", "others"),
    [
        (25, "0.100", "1 of the others came nearer, so which of them was chosen may be luck."),
        (2500, "0.010", "and none of the others came nearer."),
    ],
)
def test_a_choice_that_may_be_luck(small_space, monkeypatch, n_records, error, others):
    monkeypatch.setattr("lightning_quicktune.tuning.report.headline", lambda *a: "Found.")
    near, far = small_space.sample(2, seed=0)
    entries = [entry(small_space.default, 2), entry(near, 1, score=0.45), entry(far, 2, score=0.3)]
    task = replace(TASK, facts={"validation_records": n_records})
    text = written(small_space, entries, task)
    assert f"standard error of {error}, if it is a share of right answers. It is the best of 3 configurations" in text
    assert others in text
    assert "the others" not in written(small_space, entries[:1], task)
    assert "standard error" not in written(small_space, entries)
