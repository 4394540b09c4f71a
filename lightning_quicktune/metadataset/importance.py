"""The importance of each hyperparameter for the rank of a configuration within its task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from lightning_quicktune.metadataset.arrays import CurveArrays
from lightning_quicktune.types import Configuration, Value

FEWEST = 20  # rows without which a forest has nothing to learn
MOST = 8000  # rows; more change the order of importances little


def importances(arrays: CurveArrays, names: Sequence[str], seed: int = 0) -> tuple[dict[str, float], float]:
    """Permutation importance: how much of the explained variance of ranks is lost when one column is shuffled.

    A random forest learns the rank of each final score within its task from the hyperparameters alone, on half of the
    configurations; the other half judges. What matters on some tasks in one way and on others in another cancels out.

    Args:
        arrays: Learning curves of the tasks.
        names: Hyperparameters.
        seed: Decides the halves, the forest and the shuffles.

    Returns:
        Lost explained variance of each hyperparameter, the largest first; and the explained variance, at most 1.
        Nothing and not a number if configurations are too few.

    References:
        Breiman (2001), Random Forests, section 10.
    """
    generator = np.random.default_rng(seed)
    rows, ranks = _ranked(arrays)
    if len(rows) > MOST:
        chosen = generator.choice(len(rows), MOST, replace=False)
        rows, ranks = rows[chosen], ranks[chosen]
    held = generator.permutation(len(arrays.configurations)) % 2 == 1
    learn, judge = ~held[rows], held[rows]
    if min(learn.sum(), judge.sum()) < FEWEST:
        return {}, float("nan")
    inputs = _columns(arrays.configurations, names)[rows]
    forest = RandomForestRegressor(100, min_samples_leaf=5, max_features=0.5, random_state=seed)
    forest.fit(inputs[learn], ranks[learn])
    found = permutation_importance(forest, inputs[judge], ranks[judge], n_repeats=3, random_state=seed)
    by_name = dict(zip(names, found.importances_mean.tolist(), strict=True))
    ordered = dict(sorted(by_name.items(), key=lambda item: -item[1]))
    return ordered, float(forest.score(inputs[judge], ranks[judge]))


def _ranked(arrays: CurveArrays) -> tuple[np.ndarray, Float[np.ndarray, " R"]]:
    """Places of configurations with a final score, task after task, and the ranks of these scores in (0, 1)."""
    places = [np.flatnonzero(np.isfinite(final)) for final in arrays.final]
    ranks = [(rankdata(f[p]) - 0.5) / max(len(p), 1) for f, p in zip(arrays.final, places, strict=True)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *places]), np.concatenate([np.zeros(0), *ranks])


def _columns(configurations: Sequence[Configuration], names: Sequence[str]) -> Float[np.ndarray, "C H"]:
    """One column per hyperparameter: numbers as they are, choices by their order, inactive ones not a number."""
    columns = [_numbers([c.values.get(name) for c in configurations]) for name in names]
    return np.array(columns, dtype=np.float64).T


def _numbers(values: Sequence[Value | None]) -> list[float]:
    choices = sorted({v for v in values if isinstance(v, str)})
    return [float("nan") if v is None else float(choices.index(v) if isinstance(v, str) else v) for v in values]
