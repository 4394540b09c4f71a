import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.build import build
from lightning_quicktune.search.portfolio import greedy_order
from lightning_quicktune.search.rank_model import RankModel, final_ranks, nearest_task, rank_model
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, LearningCurve

SYNTHETIC = runpy.run_path(str(Path(__file__).parents[1] / "metadataset" / "synthetic.py"))
SPACE = SearchSpace.from_dict(SYNTHETIC["DECLARATION"])
make_task, make_trial = SYNTHETIC["make_task"], SYNTHETIC["make_trial"]
TASKS = [make_task(f"t{i}", shift) for i, shift in enumerate(np.linspace(-1, 1, 4))]
TRIED, NEW = SPACE.sample(80, seed=0)[:40], SPACE.sample(80, seed=0)[40:]


def table_of(trials):
    names = {t.task for t in trials}
    return build(trials, [t for t in TASKS if t.name in names], SPACE, "tests", "Apache-2.0")


@pytest.fixture(scope="module")
def model():
    return RankModel(table_of([make_trial(task, c) for task in TASKS for c in TRIED]))


def truth(configurations):
    finals = np.array([[make_trial(t, c).curve.scores[-1] for c in configurations] for t in TASKS])
    return (finals[:, :, None] < finals[:, None]).mean(axis=2)


def test_recorded_ranks_are_shares_of_configurations_that_are_better(model):
    np.testing.assert_allclose(model.known(TRIED) ** 2, truth(TRIED) * 40 / 39, atol=1e-12)


def test_new_configurations_are_ranked_by_their_hyperparameters(model):
    pairs = zip(model.known(NEW), truth(NEW), strict=True)
    assert np.mean([np.corrcoef(predicted, true)[0, 1] for predicted, true in pairs]) > 0.6
    np.testing.assert_array_equal(model.smoothed(NEW), model.known(NEW))


def test_tasks_that_tried_different_choices_rank_by_what_was_recorded():
    """The choice says nothing of other choices: no forest predicts it, and each task has tried half of them."""
    names = [f"model {i}" for i in range(12)]
    domain = {"type": "categorical", "choices": names, "default": names[0]}
    space = SearchSpace.from_dict({"model": {"key": "model", "domain": domain}})
    choices = {name: Configuration({"model": name}) for name in names}
    worth = dict(zip(names, np.random.default_rng(0).permutation(12) / 20 + 0.2, strict=True))
    trials = []
    for number, task in enumerate(TASKS * 3):
        own = replace(task, name=f"{task.name}-{number}")
        for name in np.random.default_rng(number).permutation(names)[:6].tolist():
            trial = make_trial(task, SPACE.default)
            slices = tuple(replace(s, score=worth[name] * s.fidelity / 4) for s in trial.curve.slices)
            trials.append(replace(trial, task=own.name, configuration=choices[name], curve=LearningCurve(slices)))
    tasks = [replace(task, name=f"{task.name}-{number}") for number, task in enumerate(TASKS * 3)]
    model = RankModel(build(trials, tasks, space, "tests", "Apache-2.0"))
    pool = list(choices.values())
    for ranks in (model.known(pool), model.smoothed(pool)):
        assert np.corrcoef(ranks.mean(axis=0), list(worth.values()))[0, 1] < -0.9
        assert worth[greedy_order(pool, ranks)[0].values["model"]] >= 0.7  # one of the two best


def test_what_is_missing_on_some_tasks_is_predicted_there_alone():
    trials = [make_trial(t, c) for i, t in enumerate(TASKS) for c in (TRIED if i else TRIED[:30])]
    part = RankModel(table_of(trials))
    ranks = part.known(TRIED)
    assert np.isfinite(ranks).all()
    np.testing.assert_allclose(ranks[1:] ** 2, truth(TRIED)[1:] * 40 / 39, atol=1e-12)
    assert np.corrcoef(ranks[0, 30:], truth(TRIED)[0, 30:])[0, 1] > 0.5


def test_failed_trials_are_the_worst_and_unfinished_ones_have_no_rank():
    good, better, failed, stopped = TRIED[:4]
    trials = [
        make_trial(TASKS[0], good),
        make_trial(TASKS[0], better),
        make_trial(TASKS[0], failed, n=0, status="failed", failure="diverged"),
        make_trial(TASKS[0], stopped, n=2),
    ]
    arrays = curve_arrays(table_of(trials))
    found = dict(zip(arrays.configurations, final_ranks(arrays)[0].tolist(), strict=True))
    assert found[failed] == 1.0
    assert sorted([found[good], found[better]]) == [0.0, 0.5]
    assert np.isnan(found[stopped])


def test_a_table_without_two_comparable_trials_says_what_to_do():
    with pytest.raises(ValueError, match=r"has 1 tasks, none of which .*two trials.*`searcher` that needs none"):
        RankModel(table_of([make_trial(TASKS[0], TRIED[0]), make_trial(TASKS[0], TRIED[1], n=1)]))


def test_a_table_is_learned_once():
    table = table_of([make_trial(task, c) for task in TASKS for c in TRIED[:5]])
    assert rank_model(table) is rank_model(table)


def test_the_nearest_task_is_the_same_in_any_unit_and_missing_values_count_as_the_middle():
    assert nearest_task(make_task("new", 0.4), TASKS) == 2
    assert nearest_task(make_task("new", -5.0), TASKS) == 0
    other_unit = [replace(t, meta_features={"shift": 1e6 * t.meta_features["shift"], "size": 1.0}) for t in TASKS]
    assert nearest_task(make_task("new", 0.4e6), other_unit) == 2
    lacking = [replace(TASKS[0], meta_features={"size": 1.0}), *TASKS[1:]]
    assert nearest_task(make_task("new", 1.0), lacking) == 3


def test_a_task_without_meta_features_is_compared_as_a_middling_one():
    assert nearest_task(make_task("new", meta_features={"other": 1.0}), TASKS) == 1  # of two middling ones the first


def test_tasks_can_not_be_compared_where_none_has_a_meta_feature():
    bare = [replace(task, meta_features={}) for task in TASKS]
    with pytest.raises(ValueError, match=r"nearest_task_portfolio` .*experience have none.*`searcher: portfolio`"):
        nearest_task(make_task("new"), bare)
