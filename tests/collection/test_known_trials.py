from dataclasses import replace

import pytest

from lightning_quicktune.collection.known_trials import (
    check_table,
    is_done,
    is_settled,
    take_over,
    take_up,
    trials_of_parts,
    trials_of_table,
)
from lightning_quicktune.collection.parts import KeptTrial
from lightning_quicktune.metadataset.build import build
from lightning_quicktune.trials.identity import settings_digest
from lightning_quicktune.trials.storage import read_trial, write_trial
from lightning_quicktune.types import LearningCurve, Overheads, SliceResult


def finished(plan, n_slices=2, score=0.5):
    slices = tuple(
        SliceResult(
            i, score, 1.25, 1.0, 640, {"loss": 2.0}, 0.4, {"loss": 2.5}, device="cpu", threads=1, reference_step_s=0.01
        )
        for i in range(1, n_slices + 1)
    )
    return replace(plan.blank, curve=LearningCurve(slices), status="completed", overheads=Overheads(0.5, 0.25))


def keep(trial):
    return KeptTrial(replace(trial, fit={}), settings_digest(trial.fit))


def test_a_kept_trial_is_as_if_it_had_been_run_here(make_plan):
    plan, other = make_plan("trial"), make_plan("other", lr=0.02)
    trial = finished(plan)
    assert take_over([plan, other], trials_of_parts([keep(trial)], [plan, other])) == 1
    assert read_trial(plan.folder) == trial
    assert (plan.folder / "fit.yaml").exists()
    assert is_done(plan)
    assert not is_done(other)


def test_what_has_ended_here_is_not_replaced(make_plan):
    plan = make_plan("trial")
    write_trial(plan.folder, finished(plan, score=0.9))
    assert take_over([plan], {plan.key: finished(plan)}) == 0
    assert read_trial(plan.folder).curve.scores == (0.9, 0.9)


def test_of_two_kept_records_the_furthest_counts(make_plan):
    plan = make_plan("trial")
    kept = [keep(finished(plan, n)) for n in (1, 3, 2)]
    assert trials_of_parts(kept, [plan])[plan.key].curve.fidelity == 3


def test_of_two_machines_records_the_same_counts_in_whatever_order_their_parts_are_read(make_plan):
    plan = make_plan("trial")
    kept = [keep(finished(plan, score=score)) for score in (0.3, 0.6)]
    assert trials_of_parts(kept, [plan]) == trials_of_parts(kept[::-1], [plan])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_model_hash": "other"}, r"`base_model_hash` was 'other' and is now"),
        ({"content_digest": "other"}, r"the records have changed"),
        ({"max_fidelity": 9}, r"`max_fidelity` was 9 and is now 4"),
        ({"metric": "rouge_l"}, r"`metric` was 'rouge_l' and is now 'answer_likelihood'"),
        ({"fit": {}}, r"`recipe` or `space` set other values"),
    ],
)
def test_a_kept_trial_of_other_settings_is_refused(make_plan, changes, message):
    plan = make_plan("trial")
    with pytest.raises(ValueError, match=rf"`parts` holds trial colours-.*{message}.*to other folders"):
        trials_of_parts([keep(replace(finished(plan), **changes))], [plan])


def test_a_longer_record_of_other_settings_is_refused_beside_a_right_one(make_plan):
    plan = make_plan("trial")
    kept = [keep(replace(finished(plan, 3), fit={})), keep(finished(plan, 1))]
    with pytest.raises(ValueError, match=r"`recipe` or `space` set other values"):
        trials_of_parts(kept, [plan])


def test_kept_trials_that_are_not_planned_are_left_out(make_plan):
    plan, other = make_plan("trial"), make_plan("other", lr=0.02)
    assert trials_of_parts([keep(replace(finished(other), base_model="other"))], [plan]) == {}


def stumbled(plan, n_slices=1):
    return replace(finished(plan, n_slices), status="interrupted", failure="error: OSError: the cable")


def test_interrupted_trials_are_taken_up_once_each_start(make_plan):
    plans = [make_plan("ended"), make_plan("stumbled", lr=0.02), make_plan("new", lr=0.03)]
    write_trial(plans[0].folder, finished(plans[0]))
    write_trial(plans[1].folder, stumbled(plans[1]))
    assert [(is_done(p), is_settled(p)) for p in plans] == [(True, True), (False, True), (False, False)]
    assert take_up(plans) == 1
    assert take_up(plans) == 0
    again = read_trial(plans[1].folder)
    assert (again.status, again.failure, again.curve.fidelity) == ("paused", None, 1)
    assert not is_settled(plans[1])
    assert not plans[2].folder.exists()


def test_an_interrupted_trial_is_taken_over_neither_from_parts_nor_from_a_table(make_plan, table_of):
    plan = make_plan("trial")
    assert trials_of_parts([keep(stumbled(plan))], [plan]) == {}
    assert trials_of_parts([keep(stumbled(plan, 3)), keep(finished(plan))], [plan])[plan.key].status == "completed"
    table = table_of(replace(stumbled(plan), status="completed", failure=None))
    table.trials["status"], table.trials["failure"] = "failed", "error: OSError"  # as earlier versions wrote it
    assert trials_of_table(table, [plan]) == {}


@pytest.fixture
def table_of(setup, small_space):
    def make(*trials, info=setup.info):
        return build(trials, [info], small_space, origin="tests", licence="Apache-2.0")

    return make


def test_a_trial_comes_back_from_a_table(make_plan, table_of):
    plan, failed = make_plan("trial"), make_plan("failed", lr=0.02)
    trials = [finished(plan), replace(failed.blank, status="failed", failure="diverged")]
    found = trials_of_table(table_of(*trials), [plan, failed])
    again = found[plan.key]
    assert again == replace(
        trials[0],
        versions={},
        curve=LearningCurve(tuple(replace(s, device=None, threads=None) for s in trials[0].curve.slices)),
    )
    assert (found[failed.key].status, found[failed.key].failure) == ("failed", "diverged")
    assert found[failed.key].curve.fidelity == 0


def test_a_table_made_of_a_table_is_the_same(make_plan, table_of):
    plan = make_plan("trial")
    before = table_of(finished(plan))
    after = table_of(*trials_of_table(before, [plan]).values())
    assert after.trials.equals(before.trials)


def test_a_trial_that_the_table_left_paused_is_run(make_plan, table_of):
    plan = make_plan("trial")
    assert trials_of_table(table_of(replace(finished(plan), status="paused")), [plan]) == {}


def test_a_table_of_another_base_model_is_refused(setup, small_space, table_of):
    other = replace(setup.info, base_model=replace(setup.info.base_model, weight_hash="other"))
    with pytest.raises(ValueError, match=r"`resume_from: old` .*task colours: `base_model_hash` was 'other'.*Leave"):
        check_table("old", table_of(info=other), small_space, [setup.info])


def test_a_table_of_other_records_is_refused(setup, small_space, table_of):
    other = replace(setup.info, facts={**setup.info.facts, "content_digest": "other"})
    with pytest.raises(ValueError, match=r"task colours: the records have changed"):
        check_table("old", table_of(info=other), small_space, [setup.info])


def test_a_table_of_another_space_is_refused(setup, small_space, table_of):
    declaration = small_space.to_dict()
    declaration["lr"]["domain"]["bounds"] = [1.0e-5, 1.0e-1]
    with pytest.raises(ValueError, match=r"can't be taken over: `lr`"):
        check_table("old", table_of(), type(small_space).from_dict(declaration), [setup.info])


def test_a_table_with_other_tasks_is_welcome(setup, small_space, table_of):
    check_table("old", table_of(info=replace(setup.info, name="another", max_fidelity=9)), small_space, [setup.info])


def test_trials_of_other_labels_are_never_taken_for_own_ones(make_plan, table_of):
    plan = make_plan("trial")
    old = replace(finished(plan), label_version=1)
    assert trials_of_parts([keep(old)], [plan]) == {}
    assert trials_of_parts([keep(old), keep(finished(plan, 1))], [plan])[plan.key].curve.fidelity == 1
    assert trials_of_table(table_of(old), [plan]) == {}
    write_trial(plan.folder, old)
    assert not is_done(plan)
    assert not is_settled(plan)
    assert take_over([plan], {plan.key: finished(plan, score=0.9)}) == 1
    assert read_trial(plan.folder).curve.scores == (0.9, 0.9)
    assert (plan.folder / "trial-labels-1.json").exists()
