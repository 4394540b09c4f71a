"""Every searcher is built by name and spends a budget, on the shipped meta-dataset and surrogates."""

import warnings
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import lightning_quicktune
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.replay.lesson_of_curves import LearnedCurves
from lightning_quicktune.search import quicktune_searcher
from lightning_quicktune.search.build import build_searcher
from lightning_quicktune.search.knowledge import Knowledge, SearchContext
from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.names import SearcherName
from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.surrogate.curves.from_metadataset import prior_of
from lightning_quicktune.types import LearningCurve, Observation, SliceResult, Suggestion

ASSETS = Path(lightning_quicktune.__file__).parent / "assets"
CHEAP = sorted({*get_args(SearcherName)} - {"dehb", "transfer", "quicktune", "curve_transfer", "transfer_guarded"})
LEARNED = {"portfolio", "portfolio_asha", "forest_portfolio", "forest_portfolio_asha", "nearest_task_portfolio"}


@lru_cache(maxsize=1)
def surrogates():
    with warnings.catch_warnings():  # gpytorch's linear_operator 0.6 uses what torch 2.13 deprecates
        warnings.filterwarnings("ignore", message=".*torch.jit.script.* is deprecated", category=DeprecationWarning)
        from lightning_quicktune.surrogate.artifact import read_cost, read_performance

    folder = ASSETS / "surrogates" / "nano"
    return read_performance(folder / "performance"), read_cost(folder / "cost")


@lru_cache(maxsize=1)
def experience():
    table = load(str(ASSETS / "meta_datasets" / "nano"))
    return table.select(table.task_names[1:6]), table.task_info(table.task_names[0])


@lru_cache(maxsize=1)
def prior():
    return prior_of(experience()[0])


def experienced(**changes):
    """Knowledge of learning curves."""
    table = experience()[0]
    return Knowledge(curves=lambda: LearnedCurves(replace(prior(), **changes), table.space))


@pytest.fixture
def context():
    table, task = experience()
    pool = candidate_pool(table.space, 20, seed=5)
    knowledge = Knowledge(lambda: table, lambda: surrogates()[0], lambda: surrogates()[1])
    return SearchContext(pool, task, table.space, 0.01, 0, knowledge)


def observation(suggestion, failed=False):
    level = 0.3 + 0.4 * int(suggestion.configuration.id[:2], 16) / 255
    slices = (SliceResult(f, level - 0.2 / f, 1.0, 1.0, 10) for f in range(1, suggestion.fidelity + 1 - failed))
    return Observation(suggestion.configuration, LearningCurve(tuple(slices)), failed, 1.0)


def asked(searcher, n):
    suggestions = []
    for step in range(n):
        suggestion = searcher.ask()
        if suggestion is None:
            break
        suggestions.append(suggestion)
        searcher.tell(observation(suggestion, failed=step == 2))
    return suggestions


@pytest.mark.parametrize("name", CHEAP)
def test_a_cheap_searcher_suggests_members_of_the_pool_again_the_same_for_the_same_seed(context, name):
    if name == "optuna":
        pytest.importorskip("optuna")
    suggestions = asked(build_searcher(name, context), 12)
    assert {s.configuration for s in suggestions} <= {*context.pool, context.space.default}
    assert len(suggestions) == {"zero_shot": 0, "default": 1}.get(name, 12)
    assert asked(build_searcher(name, context), 12) == suggestions


@pytest.mark.parametrize("name", [*CHEAP, "transfer"])
def test_lengths_that_are_alike_change_nothing(context, name):
    if name == "optuna":
        pytest.importorskip("optuna")
    usual = context.task.max_fidelity
    alike = replace(context, lengths=Lengths(usual, {c.id: usual for c in context.pool}))
    assert asked(build_searcher(name, alike), 12) == asked(build_searcher(name, context), 12)


@pytest.mark.parametrize("name", CHEAP)
def test_each_configuration_is_trained_to_its_own_end(context, name):
    if name == "optuna":
        pytest.importorskip("optuna")
    usual, pool = context.task.max_fidelity, {*context.pool, context.space.default}
    lengths = Lengths(usual, {c.id: (2, usual, 2 * usual + 1)[int(c.id, 16) % 3] for c in pool})
    reached = {}
    for s in asked(build_searcher(name, replace(context, lengths=lengths)), 400):
        assert s.fidelity > reached.get(s.configuration.id, 0)
        reached[s.configuration.id] = s.fidelity
    ends = {config_id: lengths.of(config_id) for config_id in reached}
    assert sum(reached[config_id] != end for config_id, end in ends.items()) <= 1  # one failed


@pytest.mark.parametrize("acquisition", ["next", "final", "random_horizon"])
def test_transfer_takes_its_acquisition_from_the_context(context, acquisition):
    searcher = build_searcher("transfer", replace(context, acquisition=acquisition))
    suggestions = asked(searcher, 8)
    assert len(suggestions) == 8
    assert suggestions[0].fidelity == 1


@pytest.mark.parametrize("name", ["curve_transfer", "transfer_guarded"])
def test_curve_transfer_takes_its_prior_with_or_without_guard(context, name):
    context = replace(context, knowledge=experienced())
    suggestions = asked(build_searcher(name, context), 12)
    assert len(suggestions) == 12
    assert {s.configuration for s in suggestions} <= set(context.pool)
    assert asked(build_searcher(name, context), 12) == suggestions


@pytest.mark.parametrize("name", ["curve_transfer", "transfer_guarded"])
def test_curve_transfer_trains_each_configuration_to_its_own_end(context, name):
    usual = context.task.max_fidelity
    lengths = Lengths(usual, {c.id: (2, usual, 2 * usual + 1)[int(c.id, 16) % 3] for c in context.pool})
    searcher, reached = build_searcher(name, replace(context, knowledge=experienced(), lengths=lengths)), {}
    for s in asked(searcher, 400):
        assert s.fidelity > reached.get(s.configuration.id, 0)
        reached[s.configuration.id] = s.fidelity
    ends = {c.id: lengths.of(c.id) for c in context.pool}
    assert sum(reached[config_id] != end for config_id, end in ends.items()) <= 1  # one failed


def test_the_guard_begins_as_transfer_does(context):
    """Where early scores are looked at anyway; a longer training it would show at its first knot."""
    context = replace(context, knowledge=experienced(first_look=0, n_first=0))
    plain, guarded = (build_searcher(name, context) for name in ("curve_transfer", "transfer_guarded"))
    assert asked(plain, 6) == asked(guarded, 6)
    assert tuple(plain.forecasts) == guarded.verdict.forecasts


def test_scores_of_few_records_are_taken_for_less_exact(context):
    first, stds = context.pool[0], []
    for n in (10, 1000):
        task = replace(context.task, facts={**context.task.facts, "validation_records": n})
        searcher = build_searcher("curve_transfer", replace(context, task=task, knowledge=experienced()))
        searcher.tell(observation(Suggestion(first, 1)))
        stds.append(searcher.forecasts[0].std)
    score = searcher.forecasts[0].observed
    assert stds[0] ** 2 - stds[1] ** 2 == pytest.approx(score * (1 - score) * (1 / 10 - 1 / 1000))


def test_quicktune_refits_at_every_observation_up_to_20_then_at_every_tenth(context, monkeypatch):
    refits = []
    monkeypatch.setattr(quicktune_searcher, "refit_performance", lambda model, *_: refits.append(told[0]) or model)
    monkeypatch.setattr(quicktune_searcher, "refit_cost", lambda model, *_: model)
    searcher, told = build_searcher("quicktune", context), [0]
    for _ in range(41):
        searcher.tell(observation(searcher.ask()))
        told[0] += 1
    assert refits == [*range(1, 21), 30, 40]
    assert searcher.pending == frozenset()


def test_quicktune_told_again_suggests_what_the_first_would(context):
    first, second = (build_searcher("quicktune", context) for _ in range(2))
    for step, suggestion in enumerate(asked(first, 4)):
        second.tell(observation(suggestion, failed=step == 2))
    assert second.ask() == first.ask()


def test_a_portfolio_begins_with_what_was_best_elsewhere(context):
    table = context.knowledge.table
    tried = tuple(dict.fromkeys(row.configuration for row in table.curves()))[:20]
    context = replace(context, pool=tried)
    first = {name: build_searcher(name, context).ask().configuration for name in LEARNED}
    assert first["portfolio"] == first["portfolio_asha"]
    assert first["forest_portfolio"] == first["forest_portfolio_asha"]
    finals = {c: [] for c in tried}
    for row in table.curves():
        if row.configuration in finals and row.status == "completed":
            finals[row.configuration].append(row.scores[-1])
    means = {c: np.mean(scores) for c, scores in finals.items() if scores}
    assert means[first["portfolio"]] > np.median(list(means.values()))


@pytest.mark.parametrize("name", sorted(LEARNED))
def test_learned_orders_need_a_table(context, name):
    with pytest.raises(ValueError, match=rf"`searcher: {name}` .*`experience` is not set. .*successive_halving"):
        build_searcher(name, replace(context, knowledge=Knowledge()))


@pytest.mark.parametrize("name", ["transfer", "quicktune"])
def test_transfer_needs_surrogates(context, name):
    with pytest.raises(
        ValueError, match=rf"`searcher: {name}` .*`surrogates.performance` and `surrogates.cost` is not set"
    ):
        build_searcher(name, replace(context, knowledge=Knowledge()))


@pytest.mark.parametrize("name", ["curve_transfer", "transfer_guarded"])
def test_curve_transfer_needs_a_prior(context, name):
    with pytest.raises(ValueError, match=rf"`searcher: {name}` .*`surrogates.curves` is not set"):
        build_searcher(name, context)
