from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from lightning_quicktune.surrogate.artifact import read_cost
from lightning_quicktune.surrogate.cost import CostSurrogate
from lightning_quicktune.types import Configuration

TRUTH = {"a": 1.0, "b": 2.0, "c": 3.0}


@pytest.fixture(scope="module")
def folder(source, fit, tmp_path_factory):
    """Training takes a few seconds, once for all tests here."""
    folder = tmp_path_factory.mktemp("cost")
    fit(CostSurrogate(str(folder), lr=1e-2), source)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return read_cost(folder)


def test_costs_are_in_seconds(model, make_task, space):
    configurations = space.sample(30, seed=99)
    seconds = model.predict(make_task("new", shift=0.1), configurations, reference_step_s=0.01)
    truth = [0.5 * 100 * 0.01 * TRUTH[c.values["variant"]] for c in configurations]
    np.testing.assert_allclose(seconds, truth, rtol=0.15)


def test_costs_follow_the_device_and_the_records(model, make_task, space):
    task, configurations = make_task("new"), space.sample(5, seed=99)
    seconds = model.predict(task, configurations, 0.01)
    np.testing.assert_allclose(model.predict(task, configurations, 0.03), 3 * seconds)
    assert (model.predict(replace(task, records_per_slice=200), configurations, 0.01) > seconds).all()


@pytest.mark.parametrize("choice", ["b", "c"])
def test_a_choice_moves_the_cost(model, make_task, choice):
    values = {"lr": 1e-3, "variant": "a", "schedule": "up"}
    configurations = [Configuration(values), Configuration({**values, "variant": choice})]
    seconds = model.predict(make_task("new"), configurations, 0.01)
    assert seconds[1] / seconds[0] == pytest.approx(TRUTH[choice], rel=0.2)


def test_the_artifact_predicts_bit_equal(source, fit, tmp_path, make_task, space):
    module = CostSurrogate(str(tmp_path))
    fit(module, source, epochs=1, steps_per_epoch=2)
    ours, theirs = (m.predict(make_task("new"), space.sample(9, 0), 0.01) for m in (module.model, read_cost(tmp_path)))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_predict_writes_the_seconds_of_every_configuration(source, fit, tmp_path):
    trainer = fit(CostSurrogate(str(tmp_path)), source, epochs=1, steps_per_epoch=2)
    trainer.predict(CostSurrogate(str(tmp_path)), datamodule=trainer.datamodule)
    rows = pd.read_parquet(tmp_path / "predictions.parquet")
    assert len(rows) == 24
    assert (rows["cost_s"] > 0).all()


def test_what_is_validated_is_what_is_optimised(source, fit, tmp_path):
    """Squared error in standard deviations of the training costs, written out here."""
    trainer = fit(CostSurrogate(str(tmp_path)), source, epochs=1, steps_per_epoch=2)
    (batch,), model = list(trainer.datamodule.val_dataloader()), read_cost(tmp_path)
    with torch.no_grad():
        error = (model(batch["query_inputs"]) - batch["query_log_cost"]).numpy()
    costs = np.concatenate([task.log_costs for task in trainer.datamodule.training])
    metrics = trainer.callback_metrics
    assert float(metrics["validation/loss"]) == pytest.approx(float((error**2).mean() / costs.std() ** 2))
    assert float(metrics["validation/absolute_error"]) == pytest.approx(float(np.abs(error).mean()))


def test_two_tasks_of_six_trials_are_enough_to_train(make_source, fit, tmp_path):
    fit(CostSurrogate(str(tmp_path)), make_source(2, 6), epochs=1, steps_per_epoch=2)
    assert read_cost(tmp_path).card.kind == "cost"


def test_a_reference_step_of_no_length_is_refused(model, make_task, space):
    with pytest.raises(ValueError, match=r"`reference_step_s` is 0.0, but costs are .* Time the reference step"):
        model.predict(make_task("new"), [space.default], 0.0)


def test_trials_without_a_reference_step_are_refused(make_source, fit, tmp_path):
    with pytest.raises(ValueError, match=r"None of the 6 training trials has a cost in reference steps.*Record both"):
        fit(CostSurrogate(str(tmp_path)), make_source(2, 6, device=None), epochs=1)


def test_another_metric_is_refused(model, make_task, space):
    with pytest.raises(ValueError, match=r"scored by 'rouge_l', but the surrogate learned"):
        model.predict(make_task("new", metric="rouge_l"), [space.default], 0.01)
