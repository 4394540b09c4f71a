from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import lightning_quicktune
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.surrogate.artifact import read_cost, read_performance
from lightning_quicktune.surrogate.refit import refit_cost, refit_performance
from lightning_quicktune.surrogate.scale import to_latent, to_score
from lightning_quicktune.types import LearningCurve, SliceResult

ASSETS = Path(lightning_quicktune.__file__).parent / "assets"
UNSEEN = (
    "suite-towns-mixed",
    "suite-birds-names",
    "suite-engines-names",
    "suite-festivals-dates",
    "suite-operas-numbers",
)


@pytest.fixture(scope="module")
def task_and_curves():
    """Full curves of a task that the surrogates have not seen, of which costs are four times what is predicted."""
    table = load(str(ASSETS / "meta_datasets" / "nano"))
    task = table.task_info("suite-towns-mixed")
    cost = read_cost(ASSETS / "surrogates" / "nano" / "cost")
    rows = [row for row in table.curves([task.name]) if row.fidelity == task.max_fidelity]
    seconds = 4 * cost.predict(task, [row.configuration for row in rows], 0.01)
    observed = []
    for row, cost_s in zip(rows, seconds.tolist(), strict=True):
        slices = (SliceResult(f, s, cost_s, cost_s, 1) for f, s in enumerate(row.scores, start=1))
        observed.append((row.configuration, LearningCurve(tuple(slices))))
    return task, observed


def lowered(scores, task, shift):
    latent = to_latent(np.array(scores), task.zero_shot_score) - shift
    known = to_score(latent, task.zero_shot_score).tolist()
    return LearningCurve(tuple(SliceResult(f, score, 1.0, 1.0, 1) for f, score in enumerate(known, start=1)))


def test_refitted_costs_move_towards_the_observed_ones_and_the_model_stays(task_and_curves):
    task, observed = task_and_curves
    model = read_cost(ASSETS / "surrogates" / "nano" / "cost")
    configurations = [c for c, _ in observed]
    before = model.predict(task, configurations, 0.01)
    after = refit_cost(model, task, observed, 0.01).predict(task, configurations, 0.01)
    assert before.mean() < after.mean() < 4.5 * before.mean()
    np.testing.assert_array_equal(model.predict(task, configurations, 0.01), before)


def test_unknown_costs_change_nothing(task_and_curves):
    task, observed = task_and_curves
    model = read_cost(ASSETS / "surrogates" / "nano" / "cost")
    unknown = [(c, LearningCurve(tuple(replace(s, cost_s=np.nan) for s in k.slices))) for c, k in observed]
    assert refit_cost(model, task, unknown, 0.01) is model


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_a_refit_predicts_other_configurations_better_and_the_model_stays(shift):
    """Mean over tasks that the surrogate has not seen, whose scores are told some latent units lower than they were."""
    table = load(str(ASSETS / "meta_datasets" / "nano"))
    model = read_performance(ASSETS / "surrogates" / "nano" / "performance")
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    errors = []
    for name in UNSEEN:
        task = table.task_info(name)
        rows = [row for row in table.curves([name]) if row.fidelity == task.max_fidelity]
        observed = [(row.configuration, lowered(row.scores, task, shift)) for row in rows]
        seen, unseen = observed[:16], observed[16:]
        refitted = refit_performance(model, task, seen, seed=0)
        assert len(refitted.support_latent) == len(model.support_latent) + 16 * task.max_fidelity
        truth = to_latent(np.array([k.scores[-1] for _, k in unseen]), task.zero_shot_score)
        asked, ends = [c for c, _ in unseen], [task.max_fidelity] * len(unseen)
        means = [m.predict(task, asked, [()] * len(unseen), ends)[0] for m in (model, refitted)]
        errors.append([float(np.square(mean - truth).mean()) for mean in means])
    before, after = np.mean(errors, axis=0)
    assert after < before
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in weights.items())


def test_one_point_is_too_little_and_many_are_thinned_out(task_and_curves, monkeypatch):
    task, observed = task_and_curves
    model = read_performance(ASSETS / "surrogates" / "nano" / "performance")
    first = LearningCurve(observed[0][1].slices[:1])
    assert refit_performance(model, task, [(observed[0][0], first)], seed=0) is model
    monkeypatch.setattr("lightning_quicktune.surrogate.refit._MOST_POINTS", 10)
    refitted = refit_performance(model, task, observed, seed=0)
    assert len(refitted.support_latent) == len(model.support_latent) + 10
