from dataclasses import replace

import pytest

from lightning_quicktune.metadataset.build import build, furthest
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, LearningCurve, Overheads


def make(trials, tasks, space):
    return build(trials, tasks, space, origin="tests", licence="Apache-2.0")


def test_every_trial_comes_back(trials, tasks, space, diverged):
    table = make([*trials, diverged], tasks, space)
    assert (table.meta["n_tasks"], table.meta["n_trials"], table.meta["n_slices"]) == (4, 25, 96)
    rows = {(row.task, row.configuration): row for row in table.curves()}
    for trial in [*trials, diverged]:
        row = rows[trial.task, trial.configuration]
        assert row.scores == trial.curve.scores
        assert row.costs_s == trial.curve.costs_s
        assert (row.status, row.failure, row.seed) == (trial.status, trial.failure, trial.seed)
        assert row.configuration.id == trial.configuration.id
        assert row.reference_step_s == 0.01


def test_every_task_comes_back(trials, tasks, space, make_task):
    other = make_task("other", meta_features={"rare": 3.0}, facts={"n_train": 7, "noisy": True})
    table = make(trials, [*tasks, other], space)
    assert [table.task_info(t.name) for t in (*tasks, other)] == [*tasks, other]


def test_the_furthest_record_of_a_trial_is_kept(tasks, space, make_trial):
    runs = [make_trial(tasks[0], space.default, n) for n in (1, 3, 2)]
    (row,) = make(runs, tasks, space).curves()
    assert row.scores == runs[1].curve.scores


def test_of_equally_far_records_the_same_one_is_kept_in_whatever_order_machines_recorded_them(tasks, space, make_trial):
    first = make_trial(tasks[0], space.default, 3)
    slower = replace(first, curve=LearningCurve(tuple(replace(s, cost_s=9.0) for s in first.curve.slices)))
    tables = [make(records, tasks, space) for records in ([first, slower], [slower, first])]
    assert tables[0].trials.equals(tables[1].trials)
    ended, paused = replace(first, status="completed"), replace(slower, status="paused")
    for records in ([ended, paused], [paused, ended]):
        assert furthest(records) == [ended]


def test_interrupted_trials_are_counted_and_left_out(tasks, space, make_trial):
    lost = replace(make_trial(tasks[0], space.default, 3), status="interrupted", failure="error: OSError")
    table = make([lost, make_trial(tasks[1], space.default)], tasks, space)
    assert [row.task for row in table.curves()] == ["t1"]
    assert (table.meta["n_trials"], table.meta["n_interrupted"]) == (1, 1)
    older = replace(lost, status="failed")
    assert make([older], tasks, space).meta["n_interrupted"] == 1


def test_an_interrupted_record_hides_no_other_of_the_same_trial(tasks, space, make_trial):
    ended, lost = make_trial(tasks[0], space.default, 2), make_trial(tasks[0], space.default, 3)
    table = make([ended, replace(lost, status="interrupted", failure="error: OSError")], tasks, space)
    assert [row.fidelity for row in table.curves()] == [2]
    assert table.meta["n_interrupted"] == 0


def test_a_selection_has_its_own_counts(trials, tasks, space):
    table = make(trials, tasks, space).select(["t1", "t3"])
    assert table.task_names == ("t1", "t3")
    assert (table.meta["n_tasks"], table.meta["n_trials"]) == (2, 12)
    assert {row.task for row in table.curves()} == {"t1", "t3"}


def test_a_curve_ends_before_a_score_that_is_no_number(tasks, space, make_trial):
    trial = make_trial(tasks[0], space.default)
    slices = list(trial.curve.slices)
    slices[2] = replace(slices[2], score=float("nan"))
    table = make([replace(trial, curve=replace(trial.curve, slices=tuple(slices)))], tasks, space)
    assert table.curves()[0].scores == trial.curve.scores[:2]


def test_an_unknown_task_is_named(trials, tasks, space):
    table = make(trials, tasks, space)
    with pytest.raises(ValueError, match=r"no task 'nowhere'. It has t0, t1, t2, t3.*collect"):
        table.task_info("nowhere")


def test_a_gap_in_a_curve_is_refused(trials, tasks, space):
    table = make(trials, tasks, space)
    holed = replace(table, trials=table.trials[table.trials["fidelity"] != 2])
    with pytest.raises(ValueError, match=r"task 't0'.* has the fidelities \[1, 3, 4\].*whole trials"):
        holed.curves()


def test_a_trial_without_a_task_record_is_refused(trials, tasks, space):
    with pytest.raises(ValueError, match=r"belongs to task 't0', of which there is no task record; known are t1"):
        make(trials, tasks[1:], space)


def test_a_trial_of_another_metric_is_refused(trials, tasks, space):
    with pytest.raises(ValueError, match=r"scored by 'rouge_l' .* but its task record says 'answer_likelihood'"):
        make([replace(trials[0], metric="rouge_l")], tasks, space)


def test_two_tasks_of_one_name_are_refused(tasks, space):
    with pytest.raises(ValueError, match=r"both named 't0'.*Rename one"):
        make([], [tasks[0], replace(tasks[1], name="t0")], space)


def test_a_configuration_outside_the_space_is_refused(trials, tasks, space):
    outside = Configuration({**space.default.values, "lr": 3.0})
    with pytest.raises(ValueError, match=r"`lr: 3.0`, but its domain is"):
        make([replace(trials[0], configuration=outside)], tasks, space)


def test_a_hyperparameter_named_as_a_column_is_refused(tasks):
    space = SearchSpace.from_dict(
        {"score": {"key": "a", "domain": {"type": "float", "bounds": [0.0, 1.0], "default": 0.5}}}
    )
    with pytest.raises(ValueError, match=r"names score are columns of every meta-dataset.*Rename them"):
        make([], tasks, space)


def test_a_column_of_mixed_types_is_refused(tasks, space):
    mixed = [tasks[0], replace(tasks[1], facts={"domain": 3})]
    with pytest.raises(ValueError, match=r"'fact/domain' mix the types int, str.*in one type"):
        make([], mixed, space)


def test_costs_are_relative_to_the_machine_of_their_slice(tasks, space, make_trial):
    trial = make_trial(tasks[0], space.default)
    cost_s = trial.curve.slices[0].cost_s
    slices = [replace(s, reference_step_s=0.02 if s.fidelity < 3 else None) for s in trial.curve.slices]
    table = make([replace(trial, curve=replace(trial.curve, slices=tuple(slices)))], tasks, space)
    assert table.trials["reference_step_s"].tolist() == [0.02, 0.02, 0.01, 0.01]
    (row,) = table.curves()
    in_steps = 2 * cost_s / 0.02 + 2 * cost_s / 0.01
    assert sum(row.costs_s) / row.reference_step_s == pytest.approx(in_steps)


def test_the_time_before_a_divergence_is_kept(tasks, space, diverged):
    table = make([replace(diverged, overheads=Overheads(start_s=1.0, unfinished_s=2.5))], tasks, space)
    assert table.curves()[0].unfinished_s == 2.5
    assert table.trials["start_s"].tolist() == [1.0]


def test_a_table_says_the_version_of_its_labels_and_never_mixes_two(trials, tasks, space):
    assert build(trials, tasks, space, "", "").label_version == 1
    newer = [replace(trial, label_version=2) for trial in trials]
    assert build(newer, tasks, space, "", "").meta["label_version"] == 2
    with pytest.raises(ValueError, match=r"labels of the versions 1, 2, .* Build one table of each version"):
        build([trials[0], *newer[1:]], tasks, space, "", "")
