"""Trials on a GPU: those of a CPU as far as rounding goes, paused, resumed, in bfloat16, and leaving nothing behind."""

import gc

import pytest
import torch

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.checkpoints import LAST
from lightning_quicktune.trials.cohort_runner import run_cohort
from lightning_quicktune.trials.cohort_size import MOST, fitting_cohort
from lightning_quicktune.trials.runner import run_trial

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]


WIDE = {"type": "float", "bounds": [1.0e-4, 1.0e30], "log": True, "default": 1.0e-2}


def worst(first, second) -> float:
    pairs = zip(first.curve.scores, second.curve.scores, strict=True)
    return max(abs(a - b) for a, b in pairs)


def test_a_trial_learns_and_its_record_names_the_device(make_gpu_plan, accelerator):
    plan = make_gpu_plan("learns")
    trial = run_trial(plan, 3)
    assert trial.status == "completed"
    assert trial.curve.scores[-1] > plan.task.zero_shot_score
    expected = torch.cuda.get_device_name() if accelerator == "gpu" else "cpu"
    assert trial.device.name.startswith(expected)
    assert trial.device.reference_step_s > 0


def test_paused_and_resumed_is_as_uninterrupted(make_gpu_plan):
    whole = run_trial(make_gpu_plan("whole"), 3)
    paused = make_gpu_plan("paused")
    for fidelity in (1, 2, 3):
        trial = run_trial(paused, fidelity)
    assert worst(whole, trial) < 1e-4


def test_in_32_bits_scores_are_those_of_a_cpu(make_gpu_plan):
    there = run_trial(make_gpu_plan("there"), 2)
    here = run_trial(make_gpu_plan("here", accelerator="cpu"), 2)
    assert worst(there, here) < 2e-3


def test_a_trial_begun_on_the_device_is_finished_on_a_cpu(make_gpu_plan):
    whole = run_trial(make_gpu_plan("whole"), 2)
    run_trial(make_gpu_plan("moves"), 1)
    moved = run_trial(make_gpu_plan("moves", accelerator="cpu"), 2)
    assert moved.curve.fidelity == 2
    assert worst(whole, moved) < 2e-3


def test_in_bfloat16_the_adapter_keeps_its_32_bits_and_learns_as_much(make_gpu_plan):
    exact = run_trial(make_gpu_plan("exact"), 3)
    plan = make_gpu_plan("rounded", precision="bf16-mixed")
    rounded = run_trial(plan, 3)
    weights = torch.load(plan.folder / LAST, weights_only=True)["state_dict"]
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert 0 < worst(exact, rounded) < 0.05


def test_memory_returns_after_twenty_trials(make_gpu_plan, in_use):
    run_trial(make_gpu_plan("first"), 1)
    gc.collect()
    before = in_use()
    for number in range(20):
        run_trial(make_gpu_plan(f"trial{number}", lr=0.001 * (1 + number)), 1)
    gc.collect()
    assert in_use() <= before + 2**20


def test_memory_returns_after_a_cohort(make_gpu_plan, in_use):
    run_cohort([make_gpu_plan("first"), make_gpu_plan("second", seed=8)], [1] * 2)  # the base model stays there
    gc.collect()
    before = in_use()
    run_cohort([make_gpu_plan(f"member{number}", seed=number) for number in range(8)], [1] * 8)
    gc.collect()
    assert in_use() <= before + 2**20


def test_a_trial_in_a_cohort_has_the_scores_that_it_has_alone(make_gpu_plan):
    alone = [run_trial(make_gpu_plan(f"alone{n}", lr=0.002 * (1 + n)), 2) for n in range(4)]
    together = run_cohort([make_gpu_plan(f"together{n}", lr=0.002 * (1 + n)) for n in range(4)], [2] * 4)
    assert max(worst(a, b) for a, b in zip(alone, together, strict=True)) < 1e-3
    assert {s.cohort_size for trial in together for s in trial.curve.slices} == {4}


def test_memory_holds_many_trials_of_a_miniature(make_gpu_plan, accelerator):
    if accelerator == "cpu":
        pytest.skip("trials are trained one after the other on a CPU")
    plans = [make_gpu_plan("a", seed=n) for n in range(MOST + 8)]
    assert fitting_cohort(plans, 1) == MOST


def test_a_diverged_trial_ends_alone(make_gpu_plan, small_space):
    declared = small_space.to_dict()
    wide = SearchSpace.from_dict({**declared, "lr": {**declared["lr"], "domain": WIDE}})
    plans = [make_gpu_plan("sane", space=wide), make_gpu_plan("wild", lr=1e30, space=wide)]
    trials = run_cohort(plans, [2, 2])
    assert [trial.status for trial in trials] == ["paused", "failed"]
    assert trials[1].failure == "diverged"
