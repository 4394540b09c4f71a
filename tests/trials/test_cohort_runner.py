"""Cohorts beside trials alone: their files, pauses, failures, and what can't be one."""

import copy
import json
from dataclasses import asdict, replace

import pytest
import torch

from lightning_quicktune.trials.checkpoints import BEST, LAST
from lightning_quicktune.trials.cohort_runner import run_cohort
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial

BY_CLOCK = ("cost_s", "cost_cpu_s", "cohort_size", "reference_step_s")


@pytest.fixture
def trio(make_plan):
    """Plans of three trials that differ in rank, rate and schedule, in folders of that name."""

    def make(name):
        values = [{"lr": 0.01}, {"lr": 0.03, "lora_rank": 2}, {"lr": 0.001, "schedule": "constant"}]
        return [make_plan(f"{name}/{n}", test_each_slice=True, **own) for n, own in enumerate(values)]

    return make


def checkpoint(plan, name=LAST):
    return torch.load(plan.folder / name, weights_only=True)


def without_clocks(content):
    """A checkpoint's parts that aren't weights, without what a clock has told."""
    content = copy.deepcopy({k: v for k, v in content.items() if k not in ("state_dict", "optimizer_states")})
    for result in content["callbacks"]["SliceRecorder"]["slices"]:
        for key in (*BY_CLOCK, "score", "test_score", "metrics", "test_metrics"):
            result.pop(key)
    return content


def assert_same(ours, theirs, tolerance=1e-4):
    """Two checkpoints of one trial: the same keys and counts, and nearly the same numbers."""
    assert list(ours) == list(theirs)
    assert without_clocks(ours) == without_clocks(theirs)
    assert list(ours["state_dict"]) == list(theirs["state_dict"])
    for name, weight in theirs["state_dict"].items():
        assert ours["state_dict"][name].is_contiguous()
        torch.testing.assert_close(ours["state_dict"][name], weight, atol=tolerance, rtol=1e-3)
    (mine,), (other,) = ours["optimizer_states"], theirs["optimizer_states"]
    assert mine["param_groups"] == other["param_groups"]
    assert mine["state"].keys() == other["state"].keys()
    for key, state in other["state"].items():
        assert mine["state"][key].keys() == state.keys()
        for name, value in state.items():
            torch.testing.assert_close(mine["state"][key][name], value, atol=tolerance, rtol=1e-2)


def scores(trial):
    return [s.score for s in trial.curve.slices]


def test_checkpoints_and_records_are_those_of_the_trials_alone_key_by_key(trio):
    together, alone = trio("together"), trio("alone")
    trials = run_cohort(together, [2, 2, 2])
    for plan, other, trial in zip(together, alone, trials, strict=True):
        reference = run_trial(other, 2)
        assert_same(checkpoint(plan), checkpoint(other))
        assert_same(checkpoint(plan, BEST), checkpoint(other, BEST))
        ours, theirs = (json.loads((p.folder / "trial.json").read_text()) for p in (plan, other))
        assert ours.keys() == theirs.keys()
        assert [s.keys() for s in ours["curve"]] == [s.keys() for s in theirs["curve"]]
        assert {k: ours[k] for k in ("status", "failure", "fit", "seed", "versions")} == {
            k: theirs[k] for k in ("status", "failure", "fit", "seed", "versions")
        }
        assert (plan.folder / "fit.yaml").read_text() == (other.folder / "fit.yaml").read_text()
        assert scores(trial) == pytest.approx(scores(reference), abs=1e-4)
        assert trial == read_trial(plan.folder)
        assert {s.cohort_size for s in trial.curve.slices} == {3}
        assert all(s.cost_s > 0 for s in trial.curve.slices)
        assert asdict(trial.overheads)["save_s"] > 0


@pytest.mark.parametrize("first", ["cohort", "alone"])
def test_a_trial_may_begin_in_a_cohort_and_end_alone_or_the_other_way_round(trio, first):
    mixed, alone = trio("mixed"), trio("alone")
    order = [lambda plans, n: run_cohort(plans, [n] * 3), lambda plans, n: [run_trial(p, n) for p in plans]]
    one, other = order if first == "cohort" else order[::-1]
    one(mixed, 2)
    trials = other(mixed, 3)
    for plan, reference, trial in zip(mixed, alone, trials, strict=True):
        assert scores(trial) == pytest.approx(scores(run_trial(reference, 3)), abs=1e-4)
        assert_same(checkpoint(plan), checkpoint(reference), tolerance=1e-3)


def test_members_begin_where_they_are_and_leave_when_they_have_come_far_enough(trio):
    plans, alone = trio("together"), trio("alone")
    run_trial(plans[1], 2)
    told = []
    trials = run_cohort(plans, [1, 4, 3], on_record=lambda folder: told.append(folder.name))
    assert [(t.curve.fidelity, t.status) for t in trials] == [(1, "paused"), (4, "completed"), (3, "paused")]
    assert [s.cohort_size for s in trials[1].curve.slices] == [1, 1, 3, 2]
    assert [s.cohort_size for s in trials[2].curve.slices] == [3, 2, 1]
    assert sorted(told) == ["0", "1", "1", "2", "2", "2"]
    for trial, other, fidelity in zip(trials, alone, (1, 4, 3), strict=True):
        assert scores(trial) == pytest.approx(scores(run_trial(other, fidelity)), abs=1e-4)
    again = run_cohort(plans, [1, 4, 3])
    assert again == trials


def test_who_the_neighbours_are_changes_nothing(trio, make_plan):
    many = [*trio("many"), *(make_plan(f"further/{n}", lr=0.05, lora_rank=2) for n in range(2))]
    few = trio("few")[:2]
    ours, theirs = run_cohort(many, [2] * 5)[:2], run_cohort(few, [2] * 2)
    assert [scores(t) for t in ours] == pytest.approx([scores(t) for t in theirs], abs=1e-5)


def test_a_member_that_diverges_is_cut_out_and_its_neighbours_go_on(trio, make_plan, monkeypatch):
    bad, plans, alone = make_plan("bad", lr=0.1), trio("together"), trio("alone")
    fit = copy.deepcopy(dict(bad.fit))
    fit["model"]["init_args"]["optimizer"] = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
    bad = replace(bad, fit=fit, configuration=type(bad.configuration)({**bad.configuration.values, "lr": 0.1}))
    fit["trainer"]["gradient_clip_val"] = None
    space = copy.deepcopy(bad.space)
    monkeypatch.setattr(
        type(space),
        "overrides",
        lambda self, c: {OPTIMIZER_LR: c.values["lr"] * (1e30 if c == bad.configuration else 1)},
    )
    trials = run_cohort([plans[0], bad, plans[2]], [2, 2, 2])
    assert (trials[1].status, trials[1].failure) == ("failed", "diverged")
    assert [t.status for t in (trials[0], trials[2])] == ["paused", "paused"]
    reference = run_trial(replace(alone[0], fit=plans[0].fit), 2)
    assert scores(trials[0]) == pytest.approx(scores(reference), abs=1e-4)
    assert run_trial(bad, 2) == trials[1]


OPTIMIZER_LR = "model.init_args.optimizer.init_args.lr"
