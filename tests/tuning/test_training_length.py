"""A full training that is shorter where the budget is: by what would be tried first, kept, and said."""

import json
import re
from dataclasses import replace

import pytest

from lightning_quicktune.presets.places import surrogate_folder
from lightning_quicktune.surrogate.artifact import read_curves
from lightning_quicktune.trials.task_setup import SHORTENED_FROM, set_up_task
from lightning_quicktune.tuning.candidates import candidates_of
from lightning_quicktune.tuning.experience import Experience
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.tuning.training_length import affordable_length, may_be_shortened, shortened_words
from lightning_quicktune.tuning.tune import tune
from lightning_quicktune.types import BaseModelInfo, TaskInfo

STEP_S = 0.2  # of the reference step: a slice of 100 records takes eight to eighteen seconds
FACTS = {"validation_records": 50, "test_records": 100, "zero_shot_s": 4.0}
TASK = TaskInfo("new", BaseModelInfo("smollm2-135m", 1000, "ab"), "answer_likelihood", 5, 100, 0.05, facts=FACTS)


@pytest.fixture(scope="module")
def curves():
    return read_curves(surrogate_folder("smollm2", "curves"))


@pytest.fixture
def length(curves, settings, tmp_path):
    """Slices of a full training within a budget, of which ``spent`` seconds are gone."""
    experience, space = Experience(curves=lambda: curves), curves.card.space
    pool = candidates_of(space, 16, 0, experience)

    def of(budget, task=TASK, spent=0.0, step_s=STEP_S, **changes):
        chosen = settings(budget=budget, searcher="curve_transfer", max_fidelity=None, **changes)
        keeper = Timekeeper(budget.get("seconds"), tmp_path / "none.json", began=0.0, clock=lambda: spent)
        return affordable_length(task, chosen, experience, space, pool, keeper, step_s)

    of.slice_s = float(curves.predict_cost(TASK, list(pool), STEP_S).max())
    return of


def test_more_time_never_shortens_and_enough_of_it_leaves_the_full_training(length):
    lengths = [length({"seconds": seconds}, compare=[]) for seconds in range(20, 400, 40)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 3  # the shortest that the experience knows
    assert lengths[-1] == 5
    assert len(set(lengths)) > 2
    assert length({"seconds": 4000}, compare=[]) == 5


def test_what_is_spent_and_a_slower_machine_shorten(length):
    seconds = next(s for s in range(40, 400, 20) if length({"seconds": s}) == 5)
    assert length({"seconds": seconds}, spent=seconds / 3) < 5
    assert length({"seconds": seconds}, step_s=2 * STEP_S) < 5


def test_time_for_tests_is_kept_back(length):
    seconds = next(s for s in range(40, 400, 20) if length({"seconds": s}) == 5)
    slow = replace(TASK, facts={**FACTS, "zero_shot_s": FACTS["zero_shot_s"] + length.slice_s})
    assert length({"seconds": seconds}, slow) < 5


def test_a_comparison_that_takes_a_fair_share_is_kept_back(length):
    budgets = [{"seconds": seconds} for seconds in range(150, 200, 10)]
    alone = [length(budget, compare=[]) for budget in budgets]
    compared = [length(budget, compare=["recipe"]) for budget in budgets]
    assert any(a > c for a, c in zip(alone, compared, strict=True))
    assert all(a >= c for a, c in zip(alone, compared, strict=True))


def test_where_neither_time_nor_slices_are_limited_it_is_the_full_training(length):
    assert length({"trials": 2}) == 5


@pytest.mark.parametrize(("slices", "expected"), [(1, 3), (3, 3), (4, 4), (5, 5), (60, 5)])
def test_slices_count_as_they_are(length, slices, expected):
    assert length({"slices": slices}) == expected


def test_who_chose_a_length_keeps_it(curves, settings):
    experience = Experience(curves=lambda: curves)
    limited = {"budget": {"slices": 4}, "searcher": "curve_transfer", "max_fidelity": None}
    assert may_be_shortened(settings(**limited), experience)
    assert not may_be_shortened(settings(**{**limited, "max_fidelity": 5}), experience)
    assert not may_be_shortened(settings(**{**limited, "searcher": "random"}), experience)
    assert not may_be_shortened(settings(**limited), Experience())
    of_one_length = read_curves(surrogate_folder("nano", "curves"))
    assert not may_be_shortened(settings(**limited), Experience(curves=lambda: of_one_length))


def test_it_is_decided_once_and_kept_with_the_task(fit_config, colour_task, tmp_path):
    folder = tmp_path / "task"
    setup = set_up_task(str(colour_task), fit_config, 4, folder, shortened=lambda info: info.max_fidelity - 1)
    facts = setup.info.facts
    assert setup.info.max_fidelity == setup.fit["trainer"]["max_epochs"] == 3
    assert facts[SHORTENED_FROM] == 4
    assert facts["training_records"] == 3 * setup.info.records_per_slice
    full = set_up_task(str(colour_task), fit_config, 4, tmp_path / "other").info.facts
    assert facts["epochs"] == pytest.approx(full["epochs"] * 3 / 4)
    assert SHORTENED_FROM not in full
    assert "3 slices here in place of 4" in shortened_words(setup.info)
    again = set_up_task(str(colour_task), fit_config, 4, folder, shortened=lambda info: 1)
    assert again.info == setup.info
    assert again.fit == setup.fit
    assert set_up_task(str(colour_task), fit_config, 3, folder).info == setup.info
    with pytest.raises(ValueError, match="max_fidelity"):
        set_up_task(str(colour_task), fit_config, 4, folder)


def test_a_search_trains_to_the_shorter_end_and_says_so(settings, tmp_path):
    changes = {
        "searcher": "transfer_guarded",
        "surrogates": {"curves": "smollm2"},
        "space": None,
        "max_fidelity": None,
        "allow_other_base_model": True,
        "compare": [],
    }
    chosen = settings(budget={"slices": 4}, **changes)
    tuned = tune(chosen)
    task = json.loads((tmp_path / "search" / "task" / "task.json").read_text())
    assert (task["max_fidelity"], task["facts"][SHORTENED_FROM]) == (4, 5)
    assert any(re.search("4 slices here in place of 5", words) for words in tuned.outcome.left_out)
    trials = [json.loads(path.read_text()) for path in (tmp_path / "search" / "trials").glob("*/trial.json")]
    assert {trial["max_fidelity"] for trial in trials} == {4}
    assert sum(len(trial["curve"]) for trial in trials) == 4
    again = tune(settings(budget={"slices": 5}, **changes))  # a larger budget goes on with the same trainings
    assert again.outcome.task.max_fidelity == 4
