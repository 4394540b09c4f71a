from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from lightning_quicktune.metadataset.agreement import (
    between_tasks,
    percentiles,
    rank_correlation,
    regret_of_one_for_all,
    with_final,
)
from lightning_quicktune.metadataset.arrays import CurveArrays, curve_arrays
from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.describe import describe
from lightning_quicktune.metadataset.importance import importances
from lightning_quicktune.types import Configuration


def make_arrays(scores):
    scores = np.asarray(scores, dtype=np.float64)
    n, c, f = scores.shape
    return CurveArrays(
        tasks=tuple(f"t{i}" for i in range(n)),
        configurations=tuple(Configuration({"x": i}) for i in range(c)),
        scores=scores,
        costs_s=np.ones_like(scores),
        costs_cpu_s=np.ones_like(scores),
        lengths=np.isfinite(scores).sum(axis=2),
        outcome=np.full((n, c), "full", dtype=object),
        max_fidelity=np.full((n, c), f, dtype=np.int64),
        datasets=tuple(f"t{i}" for i in range(n)),
    )


@pytest.fixture(scope="module")
def table(tasks, space, make_trial):
    configurations = [space.default, *space.sample(60, seed=1)]
    return build([make_trial(t, c) for t in tasks for c in configurations], tasks, space, "tests", "MIT")


def test_correlations_are_spearmans():
    scores = np.random.default_rng(0).random((3, 9, 4))
    arrays = make_arrays(scores)
    expected = [spearmanr(scores[i, :, -1], scores[j, :, -1])[0] for i, j in ((1, 0), (2, 0), (2, 1))]
    np.testing.assert_allclose(between_tasks(arrays), expected)
    np.testing.assert_allclose(with_final(arrays, 0.3), [spearmanr(s[:, 1], s[:, 3])[0] for s in scores])


@pytest.mark.parametrize("second", [[0.5] * 6, [0.1, 0.2, 0.3, 0.4, np.nan, np.nan]])
def test_constant_or_few_values_rank_nothing(second):
    assert np.isnan(rank_correlation(np.arange(6.0), np.array(second)))


def test_the_percentile_counts_ties_half():
    final = np.array([[0.5, 0.5, 0.1, 0.2, 0.9], [np.nan, 0.1, 0.2, 0.3, 0.4]])
    np.testing.assert_array_equal(percentiles(make_arrays(final[..., None]), 0), [62.5, np.nan])


def test_a_failed_configuration_loses_to_all_that_ended():
    final = np.array([[0.5, 0.1, np.nan, 0.9], [np.nan, 0.1, 0.2, 0.3]])
    outcome = np.where(np.isnan(final), "failed", "full").astype(object)
    arrays = replace(make_arrays(final[..., None]), outcome=outcome)
    np.testing.assert_allclose(percentiles(arrays, 0), [200 / 3, 0.0])


def test_a_configuration_that_fails_elsewhere_is_no_choice_for_all():
    # Configuration 0 is best on the one other task where it ended, and failed on the two others.
    final = np.array([[0.9, 0.8, 0.1], [np.nan, 0.8, 0.1], [np.nan, 0.8, 0.1], [0.3, 0.7, 0.5]])
    outcome = np.where(np.isnan(final), "failed", "full").astype(object)
    arrays = replace(make_arrays(final[..., None]), outcome=outcome)
    assert regret_of_one_for_all(arrays)[-1] == 0.0
    never_ended = replace(arrays, outcome=np.where(np.isnan(final), "partial", "full").astype(object))
    assert regret_of_one_for_all(never_ended)[-1] == pytest.approx(2.0)


def test_one_configuration_for_all_is_chosen_on_the_other_tasks():
    # Configuration 2 is best on three tasks and chosen on the last one too: (0.9 - 0.4) / (0.9 - 0.5).
    final = np.array([[0.1, 0.2, 0.6], [0.1, 0.2, 0.6], [0.2, 0.1, 0.6], [0.9, 0.5, 0.4]])
    np.testing.assert_allclose(regret_of_one_for_all(make_arrays(final[..., None])), [0.0, 0.0, 0.0, 1.25])


def test_a_task_whose_best_is_its_median_has_no_regret():
    final = np.array([[0.3, 0.3, 0.3], [0.1, 0.2, 0.6]])
    assert len(regret_of_one_for_all(make_arrays(final[..., None]))) == 1


def test_the_hyperparameter_that_decides_is_the_most_important(table):
    found, explained = importances(curve_arrays(table), table.space.names)
    assert next(iter(found)) == "lr"
    assert set(found) == set(table.space.names)
    assert explained > 0.5


def test_too_few_trials_have_no_importance(table):
    few = curve_arrays(replace(table, trials=table.trials[table.trials["config_id"] < "1"]), ["t0"])
    assert importances(few, table.space.names)[0] == {}


def test_a_description_has_all_parts(table, space, tasks, make_trial):
    text = describe(table)
    for part in (
        "- 4 tasks, 244 trials, 976 slices; metric answer_likelihood",
        "61 configurations of 4 hyperparameters; 61 were tried on every task",
        "trials by status: completed 244",
        "- 2 meta-features, 0.0% of their cells empty; measuring them took 0.000 s",
        "| score after the first slice and final score |",
        "| final scores of two tasks |",
        "| per cent of other configurations that the default beats |",
        "| lr |",
    ):
        assert part in text
    assert "| t0 | 61 | 4 |" in text


def test_the_cost_of_each_group_of_meta_features_is_shown(table):
    seconds = {
        "fact/text_features_s": 0.5,
        "fact/zero_shot_s": 1.0,
        "fact/landmarks_s": 2.0,
        "meta_features_cost_s": 3.5,
    }
    tasks = table.tasks.assign(**seconds, **{"meta/size": [1.0, np.nan, 1.0, np.nan]})
    expected = "25.0% of their cells empty; measuring them took 3.500 s (median of tasks: text 0.500, zero-shot 1.000, "
    assert expected + "landmarks 2.000)" in describe(replace(table, tasks=tasks), importance=False)


def test_trainings_of_one_slice_have_no_earlier_score(table):
    arrays = make_arrays(np.random.default_rng(0).random((2, 12, 3)))
    arrays = replace(arrays, max_fidelity=np.where(np.arange(12) < 6, 1, 3) * np.ones((2, 1), dtype=np.int64))
    expected = [spearmanr(s[6:, 0], s[6:, 2])[0] for s in arrays.scores]  # the others' first score is their last
    np.testing.assert_allclose(with_final(arrays, 0.0), expected)
    first = table.trials[table.trials["fidelity"] == 1].assign(max_fidelity=1)
    text = describe(replace(table, trials=first), importance=False)
    assert "There is one score per training" in text
    assert "score after" not in text
    assert "| rank correlation of first and final score, median of tasks | unknown | 0.3 to 0.9 | unknown |" in text


def test_best_values_on_the_border_are_said(table):
    by_lr = replace(table, trials=table.trials.assign(score=table.trials["lr"], max_fidelity=4))
    text = describe(by_lr, importance=False)
    assert "| lr | 0 | 4 | 4 |" in text
    assert "`lr`: on 4 of 4 tasks the best configuration has the largest value that was tried" in text
    assert "`warmup`:" not in text


def test_the_noise_of_scores_is_said_where_it_is_known(table):
    assert "No task tells how many records" in describe(table, importance=False)
    told = replace(table, tasks=table.tasks.assign(**{"fact/validation_records": [50, 60, 70, 80]}))
    final = curve_arrays(table).final[0]
    error = np.sqrt(final.max() * (1 - final.max()) / 50)
    n_alike = int((final > final.max() - error).sum()) - 1
    regret = error / (final.max() - np.median(final))
    assert f"| t0 | 50 | {error:.4f} | {regret:.3f} | {n_alike} |" in describe(told, importance=False)


def test_tasks_can_be_left_out(table):
    text = describe(table, ["t1"], importance=False)
    assert "| t1 |" not in text
    assert "Importance" not in text
    with pytest.raises(ValueError, match=r"`leave_out` names all 4 tasks.*Take one from the list"):
        describe(table, table.task_names)


def test_one_task_constant_scores_and_missing_costs_are_said(table):
    trials = table.trials.assign(cost_s=np.nan, score=table.trials["score"].where(table.trials["task"] != "t2", 0.5))
    broken = replace(table, trials=trials)
    text = describe(broken)
    assert "All final scores are equal on t2" in text
    assert "All slices took unknown hours" in text
    alone = describe(broken, ["t0", "t1", "t3"])
    assert "There is one task only" in alone
    assert "| final scores of two tasks | unknown | unknown | unknown | 0 |" in alone


def test_a_task_without_a_score_is_described(space, tasks, diverged):
    text = describe(build([diverged], tasks[:1], space, "", ""))
    assert "trials by status: failed: diverged 1" in text
    assert "| t0 | 1 | 4 | unknown | unknown | unknown | unknown |" in text
    assert "The default configuration was never trained to the end." in text
    assert "too few full trainings" in text
    assert "origin: unknown" in text


def test_the_table_is_not_changed(table):
    before = table.trials.copy()
    describe(table, importance=False)
    pd.testing.assert_frame_equal(before, table.trials)


def test_labels_that_mean_something_else_now_and_those_that_are_missing_are_said(table):
    text = describe(table, importance=False, label_version=2)
    assert "labels of version 1, while trials get version 2 now" in text
    assert "labels of version" not in describe(table, importance=False, label_version=1)
    elsewhere = replace(table, tasks=table.tasks.assign(base_model_hash=""))
    assert "labels of version" not in describe(elsewhere, importance=False, label_version=2)
    meta = {**table.meta, "label_version": 2, "dropped_labels": {"a limit is gone": 3, "decay is gone": 4}}
    text = describe(replace(table, meta=meta), importance=False, label_version=2)
    assert "labels of version 2; 7 trials of an earlier one are missing" in text
    assert "(3: a limit is gone; 4: decay is gone)" in text
