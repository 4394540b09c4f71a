"""Candidates: what the default and the seed give, and what earlier tasks have tried."""

from dataclasses import replace

import pytest

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.presets.places import shipped_surrogates, surrogate_folder
from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.surrogate.artifact import read_curves
from lightning_quicktune.tuning.candidates import candidates_of
from lightning_quicktune.tuning.experience import Experience
from lightning_quicktune.tuning.experience_folder import read_whole


@pytest.mark.parametrize("name", shipped_surrogates())
def test_what_did_best_elsewhere_is_among_them_whatever_the_seed(name):
    curves, table = read_curves(surrogate_folder(name, "curves")), read_whole(name)
    experience, space = Experience(curves=lambda: curves), table.space
    finals = table.trials.sort_values("fidelity").groupby(["task", "config_id"], as_index=False).last()
    ranks = finals.groupby("task")["score"].rank(pct=True)
    means = finals.assign(rank=ranks).groupby("config_id").agg(rank=("rank", "mean"), n=("task", "nunique"))
    best = means[means["n"] == means["n"].max()]["rank"].idxmax()
    for seed in (0, 1):
        drawn = candidate_pool(space, 63, seed)
        candidates = candidates_of(space, 64, seed, experience)
        assert candidates[:64] == drawn
        added = {c.id for c in candidates[64:]}
        assert len(added) == len(candidates) - 64 <= 32
        assert added <= set(means.index)
        assert best in {c.id for c in candidates}
        if seed == 1:
            assert len(added) >= 31  # the default may be one of them, and is drawn


def test_those_of_a_table_are_added_by_on_how_many_tasks_they_were_tried():
    table = load("smollm2_cohort")
    n_tasks = table.trials.groupby("config_id")["task"].nunique()
    candidates = candidates_of(table.space, 20, 5, Experience(lambda: table))
    assert len(candidates) == 30
    assert n_tasks[[c.id for c in candidates[20:]]].min() >= n_tasks.nlargest(11).min()


def test_without_experience_or_in_another_space_none_are_added():
    curves = read_curves(surrogate_folder("smollm2", "curves"))
    space = curves.card.space
    drawn = candidate_pool(space, 19, 5)
    assert candidates_of(space, 20, 5, None) == drawn
    assert candidates_of(space, 20, 5, Experience()) == drawn
    declared = space.to_dict()
    del declared["neftune_alpha"]
    other = type(space).from_dict(declared)
    curves.card = replace(curves.card, maps_from=other)
    assert candidates_of(other, 20, 5, Experience(curves=lambda: curves)) == candidate_pool(other, 19, 5)
