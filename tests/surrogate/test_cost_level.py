"""What slices cost on a task: the level of the training tasks, and how it goes with the length of records."""

from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.metadataset.examples import TaskCurves
from lightning_quicktune.presets.places import shipped_surrogates, surrogate_folder
from lightning_quicktune.surrogate.artifact import read_curves
from lightning_quicktune.surrogate.curves.cost_level import ByTokens, fit_cost_level
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.types import BaseModelInfo, TaskInfo


@pytest.fixture(scope="module")
def curves():
    return read_curves(surrogate_folder("nano", "curves"))


@pytest.fixture(scope="module")
def tried(curves):
    """Trials of a task, by how much more than the prior says the log of a slice's cost is."""
    space = curves.card.space

    def of(tokens, beyond):
        configurations = tuple(space.sample(len(beyond), seed=1))
        n, encoded = len(beyond), space.encode(configurations)
        ones, costs = np.ones(n, dtype=np.int64), curves.prior.costs.predict(encoded) + np.array(beyond)
        return TaskCurves(task(tokens), configurations, encoded, np.zeros((n, 1)), ones, ones, costs)

    return of


def task(tokens, name="new"):
    facts = {} if tokens is None else {"train_tokens_median": tokens}
    return TaskInfo(name, BaseModelInfo("tiny", 10, "ab"), "answer_likelihood", 3, 16, 0.1, facts=facts)


def test_costs_that_go_with_tokens_are_foretold_by_them(curves, tried):
    tasks = [tried(tokens, [np.log(tokens) - 5.0, np.nan]) for tokens in (8, 40, 200, 1000)]
    level, by_tokens = fit_cost_level(curves.prior, tasks)
    assert level == pytest.approx(np.log([8, 40, 200, 1000]).mean() - 5.0)
    assert 0.95 < by_tokens.slope < 1.0
    assert np.exp(by_tokens.beyond(task(400)) - by_tokens.beyond(task(40))) == pytest.approx(10, rel=0.1)


def test_alike_records_tell_nothing_of_length(curves, tried):
    level, by_tokens = fit_cost_level(curves.prior, [tried(60, [1.0]), tried(60, [2.0])])
    assert level == pytest.approx(1.5)
    assert (by_tokens.slope, by_tokens.beyond(task(600))) == (0.0, 0.0)


@pytest.mark.parametrize("tokens", [None, 0])
def test_unknown_length_is_the_usual_one(tokens, curves, tried):
    assert ByTokens(1.0, 4.0).beyond(task(tokens)) == 0.0
    level, by_tokens = fit_cost_level(curves.prior, [tried(tokens, [1.0]), tried(50, [2.0])])
    assert level == pytest.approx(1.5)
    assert by_tokens == ByTokens()


def test_without_costs_there_is_no_level(curves, tried):
    level, by_tokens = fit_cost_level(curves.prior, [tried(60, [np.nan])])
    assert (np.isnan(level), by_tokens) == (True, ByTokens())
    assert np.isnan(fit_cost_level(replace(curves.prior, costs=None), [tried(60, [1.0])])[0])


@pytest.mark.parametrize("name", shipped_surrogates())
def test_shipped_surrogates_foretell_more_for_longer_records(name):
    curves = read_curves(surrogate_folder(name, "curves"))
    pool = (curves.card.space.default,)
    usual = float(np.exp(curves.by_tokens.log_tokens))
    costs = [curves.predict_cost(task(tokens), pool, 1.0)[0] for tokens in (usual / 2, usual, 2 * usual)]
    assert costs == sorted(costs)
    assert costs[2] > 1.1 * costs[1]
    assert costs[1] == pytest.approx(curves.slice_costs_s(pool, 1.0, 16)[0])
    assert curves.predict_cost(task(None), pool, 1.0)[0] == pytest.approx(costs[1])


def test_it_is_stored_where_there_is_any():
    curves = read_curves(surrogate_folder("smollm2", "curves"))
    again = CurveModel.from_state_dict(curves.card, curves.state_dict())
    assert again.by_tokens == curves.by_tokens != ByTokens()
    without = CurveModel(curves.card, curves.prior, curves.cost_level)
    assert set(curves.state_dict()) - set(without.state_dict()) == {"number.token_slope", "number.log_tokens"}
    assert CurveModel.from_state_dict(curves.card, without.state_dict()).by_tokens == ByTokens()
