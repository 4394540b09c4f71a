from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.replay.ablations import replayed_searcher
from lightning_quicktune.replay.lessons import Lessons
from lightning_quicktune.replay.methods import Method
from lightning_quicktune.replay.pool import task_pool
from lightning_quicktune.replay.settings import SurrogateTraining
from lightning_quicktune.replay.without_parts import EqualCost, WithoutCurves, ablated
from lightning_quicktune.search.knowledge import Knowledge, SearchContext
from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.surrogate.curves.tables import knots_of
from lightning_quicktune.types import LearningCurve, Observation, SliceResult, Suggestion


@pytest.fixture(scope="module")
def context(source, tmp_path_factory):
    table = load(source)
    training = SurrogateTraining(epochs=1, steps_per_epoch=3, n_support=32)
    lessons = Lessons(table.select(["t0", "t1", "t2"]), tmp_path_factory.mktemp("lessons"), training, 0)
    pool = (table.space.default, *table.space.sample(5, seed=3))
    surrogates, curves = lessons.knowledge("surrogates"), lessons.knowledge("prior")
    knowledge = Knowledge(
        performance=lambda: surrogates.performance, cost=lambda: surrogates.cost, curves=lambda: curves.curves
    )
    return SearchContext(pool, table.task_info("t4"), table.space, 0.01, 0, knowledge)


def curve_prior(method, context):
    return ablated(method, context).knowledge.curves.pool_prior(context.pool)


def test_a_flat_prior_knows_no_configuration(context):
    usual, flat = (curve_prior(Method("curve_transfer", pretraining=p), context) for p in (True, False))
    assert np.ptp(usual.mean[:, -1]) > 0.1
    assert np.ptp(flat.mean, axis=0).max() < 1e-12
    assert not flat.loadings.any()
    assert not flat.log_cost.any()
    assert np.diag(flat.finals).mean() == pytest.approx(1.0)


def test_what_is_recommended_is_trained_to_the_end_best_first(context):
    searcher = replayed_searcher(Method("recommended"), context)
    final = dict(zip(context.pool, context.knowledge.curves.pool_prior(context.pool).mean[:, -1], strict=True))
    asked = []
    while (suggestion := searcher.ask()) is not None:
        assert suggestion.fidelity == context.task.max_fidelity
        asked.append(suggestion.configuration)
        slices = tuple(SliceResult(i, 0.3, 1.0, 1.0, 10, {}) for i in range(1, suggestion.fidelity + 1))
        searcher.tell(Observation(suggestion.configuration, LearningCurve(slices), False, 1.0))
    assert asked == sorted(context.pool, key=lambda c: -final[c])
    assert Method("recommended").lesson == "prior"


def test_without_cost_all_slices_cost_the_same(context):
    def log_costs(cost):
        searcher = replayed_searcher(Method("curve_transfer", cost=cost), context)
        asked = searcher.ask()
        slices = tuple(SliceResult(i, 0.3, 50.0, 50.0, 640, {}) for i in range(1, asked.fidelity + 1))
        searcher.tell(Observation(asked.configuration, LearningCurve(slices), False, 1.0))
        return searcher._log_cost()

    assert np.ptp(log_costs(cost=False)) == 0.0  # whatever one has cost
    assert np.ptp(log_costs(cost=True)) > 0.1


def test_without_pretraining_the_longest_training_gives_the_knots(context):
    flat = curve_prior(Method("curve_transfer", pretraining=False), context)
    np.testing.assert_allclose(flat.shares * context.task.max_fidelity, knots_of(context.task.max_fidelity))
    longer = replace(context, lengths=Lengths(4, {context.pool[0].id: 12}))
    flat = curve_prior(Method("curve_transfer", pretraining=False), longer)
    np.testing.assert_allclose(flat.shares * 12, knots_of(12))


@pytest.mark.parametrize("changes", [{}, {"curve": False}, {"pretraining": False}, {"cost": False}, {"order": False}])
def test_curve_transfer_without_a_part_still_searches_to_the_end(context, changes):
    searcher, reached = replayed_searcher(Method("curve_transfer", **changes), context), {}
    while (suggestion := searcher.ask()) is not None:
        assert suggestion.fidelity > reached.get(suggestion.configuration, 0)
        reached[suggestion.configuration] = suggestion.fidelity
        slices = tuple(SliceResult(f, 0.3, 1.0, 1.0, cost_tokens=0) for f in range(1, suggestion.fidelity + 1))
        searcher.tell(Observation(suggestion.configuration, LearningCurve(slices), False, 1.0))
    assert reached == dict.fromkeys(context.pool, context.task.max_fidelity)


def test_without_the_order_it_begins_with_what_is_expected_to_end_best(context):
    named = replace(context.knowledge.curves.pool_prior(context.pool), first=(5, 2))
    told = replace(context, knowledge=Knowledge(curves=lambda: OfPool(named)))
    begun = [replayed_searcher(Method("curve_transfer", order=order), told).ask() for order in (True, False)]
    usual = replayed_searcher(Method("curve_transfer", order=False), context).ask()
    assert begun[0] == Suggestion(context.pool[5], context.task.max_fidelity)
    assert begun[1] == usual != begun[0]


class OfPool:
    """Says the same of any pool."""

    def __init__(self, prior):
        self.prior = prior

    def pool_prior(self, configurations):
        return self.prior


def test_without_curves_full_trainings_are_asked_for(context):
    parts = (Method("curve_transfer", curve=c, order=False) for c in (True, False))
    usual, whole = (replayed_searcher(part, context).ask() for part in parts)
    assert usual.fidelity < context.task.max_fidelity
    assert whole.fidelity == context.task.max_fidelity


def test_without_curves_or_costs_nothing_depends_on_them(context):
    performance = context.knowledge.performance
    asked = (context.task, context.pool[:2])
    seen = WithoutCurves(performance).predict(*asked, [(0.3,), (0.2, 0.4)], [2, 3])[0]
    np.testing.assert_array_equal(seen, performance.predict(*asked, [(), ()], [2, 3])[0])
    np.testing.assert_array_equal(EqualCost().predict(*asked, 0.1), [1.0, 1.0])


@pytest.mark.parametrize("changes", [{}, {"cost": False}, {"curve": False}, {"acquisition": "next"}])
def test_transfer_without_a_part_still_searches(context, changes):
    searcher = replayed_searcher(Method("transfer", **changes), context)
    for _ in range(3):
        suggestion = searcher.ask()
        slices = tuple(SliceResult(f, 0.3, 1.0, 1.0, cost_tokens=0) for f in range(1, suggestion.fidelity + 1))
        searcher.tell(Observation(suggestion.configuration, LearningCurve(slices), False, 1.0))


def test_other_methods_are_built_by_name(context):
    assert replayed_searcher(Method("random"), replace(context, knowledge=Knowledge())).ask() is not None


@pytest.mark.parametrize("name", ["random", "successive_halving", "optuna"])
def test_the_default_comes_first_and_the_method_is_told(context, name):
    if name == "optuna":
        pytest.importorskip("optuna")
    searcher, default = replayed_searcher(Method(name, default_first=True), context), context.space.default
    first = searcher.ask()
    assert (first.configuration, first.fidelity) == (default, context.task.max_fidelity)
    assert searcher.pending == {default}
    other = searcher.ask()  # as on a second device
    assert other.configuration != default
    for asked, score in ((first, 0.9), (other, 0.1)):
        slices = tuple(SliceResult(f, score, 1.0, 1.0, cost_tokens=0) for f in range(1, asked.fidelity + 1))
        searcher.tell(Observation(asked.configuration, LearningCurve(slices), False, 1.0))
    later = set()
    while (suggestion := searcher.ask()) is not None:
        later.add(suggestion.configuration)
        slices = tuple(SliceResult(f, 0.2, 1.0, 1.0, cost_tokens=0) for f in range(1, suggestion.fidelity + 1))
        searcher.tell(Observation(suggestion.configuration, LearningCurve(slices), False, 1.0))
    assert default not in later
    assert later | {default, other.configuration} == {*context.pool}


def test_the_oracle_takes_the_best_final_score_first(with_scores, table_of, space):
    """The second best by its end was the best by its second slice; what failed comes last."""
    configurations = [space.default, *space.sample(3, seed=0)]
    curves = [[0.1, 0.1, 0.1, 0.5], [0.1, 0.9, 0.6, 0.6], [0.1, 0.1, 0.1, 0.7]]
    trials = [with_scores(curve, 1.0, c) for curve, c in zip(curves, configurations, strict=False)]
    trials.append(with_scores([0.8], 1.0, configurations[3], status="failed", failure="diverged"))
    pool = task_pool(table_of(trials), "t0", "cost_s")
    context = SearchContext(pool.configurations, pool.task, space, 1.0, 0)
    searcher, order = replayed_searcher(Method("oracle"), context, pool.draw(0)), []
    while (suggestion := searcher.ask()) is not None:
        order.append(configurations.index(suggestion.configuration))
        assert suggestion.fidelity == 4
        searcher.tell(Observation(suggestion.configuration, LearningCurve(), True, 1.0))
    assert order == [2, 1, 0, 3]
