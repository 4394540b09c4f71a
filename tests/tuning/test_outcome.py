import json
from dataclasses import replace

import pytest

from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.search.state import Incumbent, SearchResult, SearchState
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.tuning.outcome import Outcome, Outlook, Similar
from lightning_quicktune.tuning.predicted import PredictedSlice
from lightning_quicktune.tuning.rows import Answer, Compared, Gain
from lightning_quicktune.tuning.words import describe, shown
from lightning_quicktune.types import (
    BaseModelInfo,
    Configuration,
    LearningCurve,
    Observation,
    SliceResult,
    Suggestion,
    TaskInfo,
)


def outcome() -> Outcome:
    space = SearchSpace.from_dict(
        {"lr": {"key": "lr", "domain": {"type": "float", "bounds": [0.1, 1], "default": 0.2}}}
    )
    task = TaskInfo(
        "shop", BaseModelInfo("nano", 10, "ab"), "answer_likelihood", 3, 100, 0.1, {"a": 1.0}, 2.0, {"n": 3}
    )
    tried = Configuration({"lr": 0.5})
    curve = LearningCurve((SliceResult(1, 0.4, 1.0, 1.0, 10),))
    entry = JournalEntry(Suggestion(tried, 1), Observation(tried, curve, False, 1.5), 0.1, 2.0)
    incumbent = Incumbent(tried, 1, 0.4)
    state = SearchState(2.0, 1, 1, 0, incumbent)
    return Outcome(
        task,
        "transfer_guarded",
        "lightning-quicktune tune shop.jsonl",
        "2026-01-01T00:00:00",
        {"task": "shop"},
        {"train": 3, "validation": 2, "test": 2},
        (Compared("chosen", tried.id, 1, 0.4, {"exact_match": 0.5}, {"exact_match": (0.0, 1.0)}, 3.0, {"lr": 0.5}),),
        SearchResult(state, (entry,), "budget"),
        space,
        incumbent,
        Gain("recipe", "exact_match", 0.2, 0.1, 0.3, 2),
        (Answer("<b>q", "r", "b", None, "r", True),),
        Verdict((Forecast(tried, 1, 0.3, 0.1, 0.4, 0),), 1.0, -0.5, 1),
        {tried.id: (PredictedSlice(1, 0.3, 0.2, 0.4),)},
        (("lr", 1.0),),
        (Similar("towns", 0.9, "short answers"),),
        Outlook(10.0, 0.01, "about +.01: stop here"),
        ("10 test records are few.",),
        "a: 1",
        {"trl": "x"},
        "adapter",
        {"run_id": "r"},
        ("cd",),
    )


def test_an_outcome_survives_json():
    record = outcome().to_dict()
    again = Outcome.from_dict(json.loads(json.dumps(record)))
    assert again.to_dict() == record
    assert again.row("chosen") == outcome().rows[0]
    assert again.row("recipe") is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lora_rank": 32, "lr": 8e-4, "optimizer": "adamw"}, "adamw, lr 8e-4, rank 32"),
        (
            {"optimizer": "sgd", "sgd_lr": 0.03, "lora_targets": "all-linear", "schedule": "linear"},
            "sgd, lr 0.03, schedule linear",
        ),
        ({"depth": 3}, "depth 3"),
    ],
)
def test_a_configuration_in_words_begins_with_what_tells_most(values: dict, words: str):
    assert describe(Configuration(values)) == words


def test_small_numbers_are_shown_with_their_exponent():
    assert [shown(v) for v in (8e-4, 0.00123, 0.5, 0.0, 3, None, True)] == [
        "8e-4",
        "1.23e-3",
        "0.5",
        "0",
        "3",
        "-",
        "True",
    ]


def test_a_record_of_an_earlier_version_has_the_user_s_own_recipe():
    record = replace(outcome(), has_shipped_recipe=True).to_dict()
    assert Outcome.from_dict(record).has_shipped_recipe
    del record["has_shipped_recipe"]
    assert not Outcome.from_dict(record).has_shipped_recipe
