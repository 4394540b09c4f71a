"""The surrogate of learning curves, learned from a whole meta-dataset at once."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

import numpy as np

from lightning_quicktune.metadataset.examples import task_curves
from lightning_quicktune.metadataset.layout import Layout
from lightning_quicktune.metadataset.speed import at_one_speed
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.surrogate.card import SurrogateCard
from lightning_quicktune.surrogate.curves.cost_level import fit_cost_level
from lightning_quicktune.surrogate.curves.costs import fit_costs
from lightning_quicktune.surrogate.curves.from_metadataset import prior_of, task_tables
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.surrogate.fitting import PACKAGES
from lightning_quicktune.surrogate.threads import one_thread

LEAST_FULL, LEAST_TASKS = 24, 2  # below, a prior extrapolates wildly: scores far above 1 were seen at nine trials


def learn_curves(table: MetaDataset, seed: int = 0) -> CurveModel | None:
    """Learns from all tasks that have a trial which was trained to its end, or failed by its configuration.

    Args:
        table: The meta-dataset, of one metric.
        seed: See ``fit_curve_prior``.

    Returns:
        The surrogate; none with fewer than ``LEAST_FULL`` full trainings, or on fewer than ``LEAST_TASKS`` tasks.
    """
    rows = table.curves()
    full = [row.task for row in rows if row.outcome == "full"]
    if len(full) < LEAST_FULL or len(set(full)) < LEAST_TASKS:
        return None
    names = sorted({row.task for row in rows if row.outcome in ("full", "failed")})
    infos = [table.task_info(name) for name in names]
    with one_thread():
        prior = prior_of(table, seed)
        level = fit_cost_level(prior, task_curves(table, sorted(set(full))))
    longest = int(np.max([info.max_fidelity for info in infos]))
    card = SurrogateCard(
        kind="curves",
        space=table.space,
        layout=Layout(len(table.space.encoded_blocks), (), longest),
        metric=infos[0].metric,
        base_models=tuple(sorted({info.base_model.name for info in infos})),
        hidden=0,
        features=0,
        provenance={
            **table.meta,
            "training_tasks": names,
            "validation_tasks": [],
            "versions": {name: version(name) for name in PACKAGES},
        },
    )
    return CurveModel(card, prior, *level)


def with_costs_of(table: MetaDataset, model: CurveModel) -> CurveModel:
    """The same surrogate, which takes from other trials what a slice costs.

    Args:
        table: Their meta-dataset, whichever machines they ran on.
        model: The surrogate.

    Raises:
        ValueError: If the search space is another one, or nothing is known of costs.
    """
    differences = model.card.space.differences(table.space)
    if differences:
        raise ValueError(
            f"`costs_of` is a meta-dataset of another search space (first: what is learned from, second: `costs_of`): "
            f"{'; '.join(differences)}. Name one of the same search space."
        )
    same = at_one_speed(table)
    costs = fit_costs(task_tables(same), np.array(table.space.encoded_blocks))
    if costs is None:
        raise ValueError(
            "`costs_of` is a meta-dataset without recorded costs. Name one that has some, or leave it out."
        )
    prior = replace(model.prior, costs=costs)
    return CurveModel(model.card, prior, *fit_cost_level(prior, task_curves(same, list(same.task_names))))
