"""The surrogate of learning curves as a LightningModule and as an artifact."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.folder import load, save
from lightning_quicktune.metadataset.splits import holdout
from lightning_quicktune.presets.places import surrogate_folder
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.artifact import read_cost, read_curves
from lightning_quicktune.surrogate.curves.from_metadataset import prior_of, task_tables
from lightning_quicktune.surrogate.curves.learn import with_costs_of
from lightning_quicktune.surrogate.curves.module import STEPS, CurveSurrogate
from lightning_quicktune.surrogate.curves.prior import fit_curve_prior

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


class Watched(CurveSurrogate):
    """Remembers every loss."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.losses = [*getattr(self, "losses", []), (batch_idx, loss.item())]
        return loss


@pytest.fixture(scope="module")
def trained(source, fit, tmp_path_factory):
    """The module after `fit`, its trainer and its folder; takes seconds, once for all tests here."""
    folder = tmp_path_factory.mktemp("curves")
    module = Watched(str(folder))
    return module, fit(module, source, epochs=20), folder


def test_fit_validates_on_held_out_tasks_and_writes_an_artifact(trained):
    _, trainer, folder = trained
    assert trainer.callback_metrics["validation/rank_correlation"] > 0.3
    assert trainer.callback_metrics["validation/loss"].isfinite()
    assert sorted(path.name for path in folder.iterdir())[:2] == ["surrogate.json", "weights.safetensors"]


def test_each_of_a_few_steps_makes_training_tasks_likelier(trained):
    module, trainer, _ = trained
    assert trainer.global_step == STEPS
    firsts = [next(loss for step, loss in module.losses if step == n) for n in range(STEPS)]
    assert firsts == sorted(firsts, reverse=True)
    assert firsts[-1] < firsts[0]
    assert trainer.callback_metrics["train/loss"] < firsts[0]
    assert module.likelihood().item() <= min(firsts)


def test_the_finished_surrogate_is_the_prior_of_all_tasks(trained, source, space):
    table, loaded = load(source), read_curves(trained[2])
    whole = fit_curve_prior(task_tables(table), np.array(space.encoded_blocks), seed=0)
    encoded = space.encode(space.sample(9, seed=1))
    found, expected = loaded.prior.pool_prior(encoded), whole.pool_prior(encoded)
    for name in ("mean", "finals", "shapes", "noise", "log_cost", "scales", "temperatures"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-9, err_msg=name)


def test_the_artifact_predicts_the_same(trained, make_task, space):
    module, _, folder = trained
    loaded, task, configurations = read_curves(folder), make_task("new"), space.sample(9, seed=1)
    for ours, theirs in zip(
        module.model.predict(task, configurations), loaded.predict(task, configurations), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    costs = [m.predict_cost(task, configurations, 0.01) for m in (module.model, loaded)]
    np.testing.assert_allclose(*costs, rtol=1e-9)


def test_the_finished_surrogate_knows_all_tasks_and_names_them(trained):
    folder = trained[2]
    card = read_curves(folder).card
    assert len(read_curves(folder).prior.scales) == 6
    assert len(card.provenance["training_tasks"]) + len(card.provenance["validation_tasks"]) == 6
    assert card.base_models == ("tiny",)
    assert card.layout.meta_features == ()


def test_costs_are_in_seconds(trained, make_task, space):
    task, configurations = make_task("new"), space.sample(30, seed=99)
    seconds = read_curves(trained[2]).predict_cost(task, configurations, reference_step_s=0.01)
    truth = [0.5 * 100 * 0.01 * {"a": 1.0, "b": 2.0, "c": 3.0}[c.values["variant"]] for c in configurations]
    np.testing.assert_allclose(seconds, truth, rtol=0.3)


def told_otherwise(source, folder):
    """The same trials, of which a slice takes 50 reference steps, three times as many with the other schedule."""
    table = load(source)
    steps = np.where(table.trials["schedule"] == "down", 150.0, 50.0)
    costs = {name: steps * table.trials["reference_step_s"] for name in ("cost_s", "cost_cpu_s")}
    return str(save(replace(table, trials=table.trials.assign(**costs, score=0.5)), folder))


def test_costs_may_be_told_by_other_trials(trained, source, space, make_task, fit, tmp_path):
    module = CurveSurrogate(str(tmp_path / "out"), costs_of=told_otherwise(source, tmp_path / "alone"))
    fit(module, source)
    finished, usual, task = read_curves(tmp_path / "out"), read_curves(trained[2]), make_task("new")
    configurations = space.sample(20, seed=1)
    costs = finished.predict_cost(task, configurations, 2.0)
    down = np.array([c.values["schedule"] == "down" for c in configurations])
    assert np.median(costs[~down]) == pytest.approx(100.0, rel=0.1)
    assert np.median(costs[down]) == pytest.approx(300.0, rel=0.1)
    for ours, theirs in zip(finished.predict(task, configurations), usual.predict(task, configurations), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)  # curves are as ever


def test_costs_of_another_search_space_or_of_nothing_are_refused(trained, source):
    table, model = load(source), read_curves(trained[2])
    other = SearchSpace([h for h in table.space.hyperparameters if h.name != "variant"])
    with pytest.raises(ValueError, match="`costs_of` is a meta-dataset of another search space"):
        with_costs_of(replace(table, space=other), model)
    free = table.trials.assign(cost_s=0.0, cost_cpu_s=0.0)
    with pytest.raises(ValueError, match="`costs_of` is a meta-dataset without recorded costs"):
        with_costs_of(replace(table, trials=free), model)


def test_costs_of_the_shipped_smollm2_are_those_of_its_trials_alone():
    table, model = load("smollm2"), read_curves(surrogate_folder("smollm2", "curves"))
    ratios = [
        model.predict_cost(table.task_info(row.task), [row.configuration], row.reference_step_s)[0]
        / np.mean(row.costs_s)
        for row in table.curves()
    ]
    assert 0.8 < np.median(ratios) < 1.25
    assert 0.3 < min(ratios) < max(ratios) < 3.0


def test_predict_writes_mean_std_and_cost_of_every_configuration_at_every_fidelity(trained):
    _, trainer, folder = trained
    trainer.predict(CurveSurrogate(str(folder)), datamodule=trainer.datamodule)
    rows = pd.read_parquet(folder / "predictions.parquet")
    n_slices = trainer.datamodule.layout.max_fidelity
    assert list(rows) == ["task", "config_id", "fidelity", "mean", "std", "cost_s"]
    assert len(rows) == 24 * n_slices
    assert rows.notna().all(axis=None)
    assert (rows[["std", "cost_s"]] > 0).all(axis=None)


def test_validate_reads_the_finished_surrogate(trained):
    _, trainer, folder = trained
    (metrics,) = trainer.validate(CurveSurrogate(str(folder)), datamodule=trainer.datamodule, verbose=False)
    assert metrics["validation/rank_correlation"] > 0.3


def test_another_base_model_or_space_is_refused_as_for_other_surrogates(trained, space):
    folder, card = trained[2], read_curves(trained[2]).card
    with pytest.raises(ValueError, match=r"made for the base model tiny, but phi3 .*`allow_other_base_model: true`"):
        card.used_in(space, "phi3", allow_other_base_model=False)
    declaration = copy.deepcopy(space.to_dict())
    declaration["variant"]["domain"]["choices"] = ["a", "b"]
    with pytest.raises(ValueError, match=r"made for another search space.*`variant` is .*train a surrogate on trials"):
        card.used_in(SearchSpace.from_dict(declaration), "tiny", allow_other_base_model=False)
    with pytest.raises(ValueError, match=r"holds a curves surrogate, but a cost surrogate .* may have been swapped"):
        read_cost(folder)


def test_a_longer_training_than_was_learned_is_refused(trained, make_task, space):
    task = replace(make_task("new"), max_fidelity=50)
    with pytest.raises(ValueError, match=r"'new' has 50 slices, but .* knows full trainings of \d+. Set `max_fidelity"):
        read_curves(trained[2]).predict(task, space.sample(2, seed=1))


def test_two_tasks_of_six_trials_are_enough(make_source, fit, tmp_path):
    fit(CurveSurrogate(str(tmp_path)), make_source(2, 6), epochs=1)
    assert read_curves(tmp_path).card.kind == "curves"


def test_a_held_out_task_without_a_full_training_is_not_validated_on(space, make_task, make_trial, fit, tmp_path):
    """All of its trials were stopped, so none has a final score."""
    tasks = [make_task(f"t{i}", shift) for i, shift in enumerate((-1.0, 0.0, 1.0))]
    ((left_out,),) = (holdout({task.name: task.name for task in tasks}, 0.2, 0)[1],)
    trials = [
        make_trial(task, c, n=2 if task.name == left_out else 4)
        for i, task in enumerate(tasks)
        for c in space.sample(12, seed=i)
    ]
    folder = save(build(trials, tasks, space, "tests", "Apache-2.0"), tmp_path / "table")
    trainer = fit(CurveSurrogate(str(tmp_path / "curves")), str(folder), epochs=1)
    assert "validation/loss" not in trainer.callback_metrics
    assert read_curves(tmp_path / "curves").card.kind == "curves"


def test_a_table_of_stopped_trials_alone_teaches_nothing(space, make_task, make_trial):
    task = make_task("t0")
    table = build([make_trial(task, c, n=2) for c in space.sample(4, seed=0)], [task], space, "tests", "Apache-2.0")
    with pytest.raises(ValueError, match=r"has 1 tasks, but no trial that was trained to its end .*Collect full train"):
        prior_of(table)
