import json
import time
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.folder import load, save
from lightning_quicktune.surrogate.artifact import read_performance
from lightning_quicktune.surrogate.deep_kernel import negative_log_density
from lightning_quicktune.surrogate.fitting import rank_correlation
from lightning_quicktune.surrogate.performance import PerformanceSurrogate
from lightning_quicktune.surrogate.scale import to_latent, to_score
from lightning_quicktune.tuning.experience import Experience
from lightning_quicktune.tuning.recommend import predicted_curves
from lightning_quicktune.types import Configuration


@pytest.fixture(scope="module")
def folder(source, fit, tmp_path_factory):
    """Training takes a few seconds, once for all tests here."""
    folder = tmp_path_factory.mktemp("performance")
    fit(PerformanceSurrogate(str(folder), lr=1e-2, n_support=200), source)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return read_performance(folder)


@pytest.fixture(scope="module")
def new(make_task, make_trial, space):
    """A task between the known ones, with the truth about configurations that were never tried."""
    task = make_task("new", shift=0.1)
    configurations = space.sample(40, seed=99)
    return task, configurations, [make_trial(task, c).curve.scores for c in configurations]


def final(model, new, seen=0):
    task, configurations, curves = new
    return model.predict(task, configurations, [curve[:seen] for curve in curves], [4] * len(curves))


def test_configurations_of_a_new_task_are_ranked_before_they_start(model, new):
    mean, std = final(model, new)
    truth = to_latent(np.array(new[2])[:, -1], new[0].zero_shot_score)
    assert rank_correlation(mean, truth) > 0.8
    assert (np.abs(mean - truth) < 3 * std).mean() > 0.8
    assert np.ptp(std) > 0


def test_a_curve_makes_the_prediction_better_and_surer(model, new):
    truth = to_latent(np.array(new[2])[:, -1], new[0].zero_shot_score)
    (mean_before, std_before), (mean_after, std_after) = final(model, new, seen=0), final(model, new, seen=3)
    assert np.abs(mean_after - truth).mean() < 0.7 * np.abs(mean_before - truth).mean()
    assert std_after.mean() < std_before.mean()


@pytest.mark.parametrize("name", ["lr", "variant", "schedule", "warmup"])
def test_every_hyperparameter_moves_the_prediction(model, space, make_task, name):
    base = {"lr": 1e-3, "variant": "a", "schedule": "down", "warmup": 1}
    choices = {"lr": [1e-3, 1e-2], "variant": ["a", "b", "c"], "schedule": ["up", "down"], "warmup": [1, 10]}[name]
    configurations = [Configuration({**base, name: choice}) for choice in choices]
    if name == "schedule":
        configurations[0] = Configuration({"lr": 1e-3, "variant": "a", "schedule": "up"})
    n = len(choices)
    mean, _ = model.predict(make_task("new"), configurations, [()] * n, [4] * n)
    assert len(set(mean.round(6))) == n


def test_fidelity_and_task_move_the_prediction(model, space, make_task):
    four = [space.default] * 4
    mean, _ = model.predict(make_task("new"), four, [()] * 4, [1, 2, 3, 4])
    assert len(set(mean.round(6))) == 4
    other, _ = model.predict(make_task("other", shift=1.0), four, [()] * 4, [1, 2, 3, 4])
    assert np.abs(other - mean).min() > 1e-6


def test_the_artifact_predicts_bit_equal(source, fit, tmp_path, new):
    module = PerformanceSurrogate(str(tmp_path), n_support=50)
    fit(module, source, epochs=1, steps_per_epoch=2)
    for ours, theirs in zip(final(module.model, new), final(read_performance(tmp_path), new), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_factorisation_is_kept(model, new, monkeypatch):
    final(model, new)
    monkeypatch.setattr(model.gp, "condition", lambda *_: pytest.fail("factorised again"))
    final(model, new)


def test_the_card_says_where_the_surrogate_was_learned(folder):
    card = json.loads((folder / "surrogate.json").read_text())
    assert (card["kind"], card["metric"], card["base_models"]) == ("performance", "answer_likelihood", ["tiny"])
    assert card["layout"]["meta_features"] == ["shift", "size"]
    provenance = card["provenance"]
    assert len(provenance["training_tasks"]) == 5
    assert len(provenance["validation_tasks"]) == 1
    assert provenance["origin"] == "tests"
    assert "torch" in provenance["versions"]


def test_the_best_epoch_is_kept_and_not_the_last(source, fit, tmp_path):
    class Recorded(PerformanceSurrogate):
        losses: ClassVar[list[float]] = []

        def on_validation_end(self):
            super().on_validation_end()
            if not self.trainer.sanity_checking:
                self.losses.append(float(self.trainer.callback_metrics["validation/loss"]))

    trainer = fit(Recorded(str(tmp_path), n_support=20, lr=0.1), source, epochs=4, steps_per_epoch=10)
    assert min(Recorded.losses) < Recorded.losses[-1]
    (batch,) = trainer.datamodule.val_dataloader()
    model = read_performance(tmp_path)
    with torch.no_grad():
        given = model.gp.condition(batch["support_inputs"], model.standardize(batch["support_latent"]))
        mean, variance = model.gp.posterior(given, batch["query_inputs"])
        loss = negative_log_density(model.standardize(batch["query_latent"]), mean, variance)
    assert float(loss) == pytest.approx(min(Recorded.losses))


def test_intervals_are_as_wide_as_new_tasks_ask_for(model, make_task, make_trial, space):
    """Mean over new tasks, some unlike the known ones, of how far 80 % intervals are from holding 80 %."""
    apart = {"own": [], "reported": []}
    for place, shift in enumerate((-0.3, -0.1, 0.0, 0.1, 0.3)):
        task, configurations = make_task(f"new{place}", shift=shift), space.sample(60, seed=100 + place)
        curves = [make_trial(task, c).curve.scores for c in configurations]
        mean, std = final(model, (task, configurations, curves))
        error = np.abs(to_latent(np.array(curves)[:, -1], task.zero_shot_score) - mean) / std
        for name, factor in (("own", 1.0), ("reported", float(model.temperature))):
            apart[name].append(abs((error < 1.2816 * factor).mean() - 0.8))
    assert np.mean(apart["reported"]) < np.mean(apart["own"])


@pytest.mark.parametrize("objective", ["predictive", "marginal"])
def test_two_tasks_of_six_trials_are_enough_to_train(make_source, fit, tmp_path, objective):
    trainer = fit(
        PerformanceSurrogate(str(tmp_path), objective=objective), make_source(2, 6), epochs=1, steps_per_epoch=4
    )
    assert np.isfinite(float(trainer.callback_metrics["validation/loss"]))
    assert (tmp_path / "weights.safetensors").exists()


def test_objectives_differ(source, fit, tmp_path, new):
    means = []
    for objective in ("predictive", "marginal"):
        folder = tmp_path / objective
        fit(PerformanceSurrogate(str(folder), objective=objective, n_support=50), source, epochs=1, steps_per_epoch=3)
        means.append(final(read_performance(folder), new)[0])
    assert not np.allclose(*means)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_predict_writes_every_configuration_and_fidelity_of_the_held_out_tasks(source, fit, folder, tmp_path):
    module = PerformanceSurrogate(str(tmp_path), n_support=20)
    trainer = fit(module, source, epochs=1, steps_per_epoch=2)
    trainer.predict(PerformanceSurrogate(str(tmp_path)), datamodule=trainer.datamodule)
    rows = pd.read_parquet(tmp_path / "predictions.parquet")
    held = trainer.datamodule.validation[0].task.name
    assert set(rows["task"]) == {held}
    assert len(rows) == 24 * 4
    (task,) = (curves.task for curves in trainer.datamodule.validation)
    chosen = [row.configuration for row in load(source).curves([held])]
    _, std = read_performance(tmp_path).predict(task, chosen, [()] * 24, [4] * 24)
    widened = std * float(module.model.temperature)
    np.testing.assert_allclose(
        rows[rows["fidelity"] == 4].set_index("config_id").loc[[c.id for c in chosen], "std"], widened
    )
    assert ((rows["lower"] > 0) & (rows["lower"] < rows["score"])).all()
    assert ((rows["score"] < rows["upper"]) & (rows["upper"] < 1)).all()
    latent = rows["mean"] + 1.6448536269514722 * rows["std"]
    np.testing.assert_allclose(rows["upper"], to_score(latent.to_numpy(), task.zero_shot_score))
    assert set(rows["config_id"]) == {row.configuration.id for row in load(source).curves([held])}


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_recommend_expects_what_predict_writes(source, fit, tmp_path):
    module = PerformanceSurrogate(str(tmp_path), n_support=20)
    trainer = fit(module, source, epochs=1, steps_per_epoch=2)
    trainer.predict(PerformanceSurrogate(str(tmp_path)), datamodule=trainer.datamodule)
    rows = pd.read_parquet(tmp_path / "predictions.parquet").sort_values(["config_id", "fidelity"])
    (task,) = (curves.task for curves in trainer.datamodule.validation)
    pool = sorted({row.configuration for row in load(source).curves([task.name])}, key=lambda c: c.id)
    _, expected = predicted_curves(pool, task, Experience(performance=lambda: read_performance(tmp_path)))
    for name in ("score", "lower", "upper"):
        np.testing.assert_allclose(getattr(expected, name).ravel(), rows[name])


def test_512_candidates_take_milliseconds(model, make_task, space):
    configurations = space.sample(512, seed=1)
    model.predict(make_task("new"), configurations, [()] * 512, [1] * 512)
    times = []
    for _ in range(5):
        started = time.process_time()  # other processes may have the core in between
        model.predict(make_task("new"), configurations, [()] * 512, [1] * 512)
        times.append(time.process_time() - started)
    assert min(times) < 0.5


@pytest.mark.parametrize(("fidelity", "seen"), [(2, 2), (5, 0), (0, 0)])
def test_only_slices_to_come_can_be_predicted(model, make_task, space, fidelity, seen):
    with pytest.raises(
        ValueError, match=rf"Fidelity {fidelity} was asked for a curve of {seen} slices.*Ask for {seen + 1} to 4"
    ):
        model.predict(make_task("new"), [space.default], [[0.2] * seen], [fidelity])


def test_another_metric_is_refused(model, make_task, space):
    with pytest.raises(
        ValueError, match=r"scored by 'rouge_l', but the surrogate learned 'answer_likelihood'.*use another"
    ):
        model.predict(make_task("new", metric="rouge_l"), [space.default], [()], [1])


def test_a_task_without_meta_features_is_refused(model, make_task, space):
    with pytest.raises(ValueError, match=r"Task 'new' has none of the meta-features shift, size"):
        model.predict(make_task("new", meta_features={}), [space.default], [()], [1])


def test_a_lacking_meta_feature_is_predicted_for_as_its_median(model, make_task, space):
    configurations, medians = space.sample(5, seed=1), model.card.layout.medians
    asked = configurations, [()] * 5, [4] * 5
    lacking = model.predict(make_task("new", meta_features={"size": 1.0}), *asked)
    median = model.predict(make_task("new", meta_features={"size": 1.0, "shift": medians["shift"]}), *asked)
    np.testing.assert_array_equal(lacking, median)


def test_a_half_of_a_shorter_training_is_a_half(model, make_task, space):
    """A score after one of two slices stands where one after two of four does, if both make as long a training."""
    short = model.predict(make_task("new"), [space.default], [[0.4]], [2], lengths=[2])
    twice = 2 * make_task("new").records_per_slice
    task = make_task("new", max_fidelity=2, records_per_slice=twice)
    two = model.predict(make_task("new"), [space.default], [[0.3, 0.4]], [4])
    np.testing.assert_array_equal(short, model.predict(task, [space.default], [[0.4]], [2]))
    assert np.abs(short[0] - two[0]) < 0.3
    given = model.predict(make_task("new"), [space.default], [[0.3, 0.4]], [4], lengths=[4])
    np.testing.assert_array_equal(given, two)


def test_a_fidelity_beyond_a_trials_own_training_cannot_be_predicted(model, make_task, space):
    with pytest.raises(ValueError, match=r"Fidelity 3 .* whose full training has 2.* Ask for 2 to 2"):
        model.predict(make_task("new"), [space.default], [[0.4]], [3], lengths=[2])


@pytest.fixture
def mixed(make_task, make_trial, space, tmp_path):
    """A meta-dataset whose trainings have 2 or 4 slices, side by side in each task."""
    tasks = [make_task(f"t{i}", shift=i / 2) for i in range(4)]
    trials = [
        make_trial(task, c, length, max_fidelity=length, status="completed")
        for task in tasks
        for c, length in zip(space.sample(8, seed=0), [2, 4] * 4, strict=True)
    ]
    return str(save(build(trials, tasks, space, "tests", ""), tmp_path / "mixed"))


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_trainings_of_several_lengths_are_learned_from_and_predicted_to_their_own_ends(mixed, fit, tmp_path):
    trainer = fit(PerformanceSurrogate(str(tmp_path), n_support=20), mixed, epochs=1, steps_per_epoch=3)
    trainer.predict(PerformanceSurrogate(str(tmp_path)), datamodule=trainer.datamodule)
    rows = pd.read_parquet(tmp_path / "predictions.parquet")
    assert sorted(rows.groupby("config_id")["fidelity"].max()) == [2] * 4 + [4] * 4


@pytest.mark.parametrize("objective", ["predictive", "marginal"])
def test_what_is_logged_is_the_likelihood_that_is_optimised(source, fit, tmp_path, objective, monkeypatch):
    """The loss that Lightning steps on, and that steps change it."""
    stepped, training_step = [], PerformanceSurrogate.training_step
    monkeypatch.setattr(
        PerformanceSurrogate, "training_step", lambda *a: stepped.append(training_step(*a)) or stepped[-1]
    )
    surrogate = PerformanceSurrogate(str(tmp_path), objective=objective, n_support=20)
    trainer = fit(surrogate, source, epochs=1, steps_per_epoch=8)
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(stepped[-1].item())
    assert len({loss.item() for loss in stepped}) == 8
    assert all(loss.requires_grad for loss in stepped)
