"""What the surrogates say of a search: what was expected, what mattered, which tasks are alike, what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.threads import one_thread
from lightning_quicktune.tuning.experience import Experience
from lightning_quicktune.tuning.outcome import Outlook, Similar
from lightning_quicktune.tuning.pace import Pace
from lightning_quicktune.tuning.predicted import PredictedSlice
from lightning_quicktune.tuning.recommend import predicted_curves
from lightning_quicktune.types import Configuration, TaskInfo, Value

MINUTES = 10.0
WORTH = 0.01  # expected gain from which going on is advised
_DRAWS, _MOST = 4000, 32  # of final scores; configurations that are looked at
_SAMPLES = 128  # configurations by which importance is measured
_SIMILAR = 5


def bands(
    configurations: Sequence[Configuration], task: TaskInfo, experience: Experience
) -> dict[str, tuple[PredictedSlice, ...]]:
    """What was expected of each configuration before any was trained, by its id; empty without surrogates.

    Args:
        configurations: Points of the search space.
        task: Record of the task.
        experience: The surrogates.
    """
    if not configurations or (experience.curves is None and experience.performance is None):
        return {}
    with one_thread():
        expected = predicted_curves(configurations, task, experience)[1]
    return {
        c.id: tuple(PredictedSlice(f, *map(float, at)) for f, at in enumerate(zip(*rows, strict=True), start=1))
        for c, *rows in zip(configurations, *expected, strict=True)
    }


def importance(task: TaskInfo, experience: Experience, space: SearchSpace, seed: int) -> tuple[tuple[str, float], ...]:
    """Share of each hyperparameter in what predicted final scores differ by, largest first; empty without surrogates.

    Each one's total effect: half the mean squared difference that its value of another configuration makes.

    Args:
        task: Record of the task.
        experience: The surrogates.
        space: The search space.
        seed: Seed of the configurations.

    References:
        Jansen (1999), Analysis of variance designs for model output. Saltelli et al. (2010), Variance based sensitivity
        analysis of model output, table 2 (f).
    """
    if experience.curves is None and experience.performance is None:
        return ()
    n = int(min(_SAMPLES, (space.size - 1) // 2))
    drawn = space.sample(2 * n, seed)
    own, others = drawn[:n], drawn[n:]
    asked = list(own)
    for name in space.names:
        asked += [_exchanged(space, mine.values, other.values, name) for mine, other in zip(own, others, strict=True)]
    with one_thread():
        final = predicted_curves(asked, task, experience)[1].score[:, -1].reshape(-1, n)
    effects = 0.5 * np.square(final[1:] - final[0]).mean(1)
    if not effects.sum() > 0:
        return ()
    shares = effects / effects.sum()
    return tuple((space.names[i], float(shares[i])) for i in np.argsort(-shares, kind="stable"))


def similar(curves: CurveTransferSearcher, experience: Experience) -> tuple[Similar, ...]:
    """The training tasks on which the same configurations end well as on the new one, closest first, one a dataset.

    Args:
        curves: What is believed of the new task's curves.
        experience: The surrogates, with that of curves.
    """
    model = experience.curves
    if model is None or not curves.forecasts:
        return ()
    origin = model.card.provenance
    names = sorted([*origin.get("training_tasks", ()), *origin.get("validation_tasks", ())])  # as tables are read
    pool = curves.pool
    known = model.prior.predictor.predict(model.card.encode(pool))[:, :, -1]  # (tasks, pool)
    if len(names) != len(known):
        return ()
    ends = curves.ends(pool)[0]
    found = [
        (float(np.corrcoef(row, ends)[0, 1]) if row.std() > 0 else 0.0, name)
        for row, name in zip(known, names, strict=True)
    ]
    closest: dict[str, tuple[float, str]] = {}  # of each dataset the length of training that is most alike
    for alike, name in sorted(found, key=lambda pair: -pair[0]):
        closest.setdefault(name.partition("@")[0], (alike, name))
    return tuple(
        Similar(name, max(alike, 0.0), f"the same recipes end well there (correlation {alike:.2f})")
        for alike, name in list(closest.values())[:_SIMILAR]
        if alike > 0
    )


def outlook(
    curves: CurveTransferSearcher, pace: Pace, max_fidelity: int, best: float, minutes: float = MINUTES
) -> Outlook:
    """What another while would likely bring, if the most promising were trained to their end.

    Args:
        curves: What is believed of the new task's curves.
        pace: What slices take here.
        max_fidelity: Slices of a full training.
        best: Best validation score so far.
        minutes: How long.
    """
    left_s, chosen = 60 * minutes, list[Configuration]()
    for configuration, reached in curves.unfinished():
        needed_s = (max_fidelity - reached) * pace.slice_s(configuration)
        if not chosen and needed_s > left_s:
            short = f"Another {minutes:.0f} minutes end before the most promising training does, which takes about "
            return Outlook(minutes, 0.0, f"{short}{needed_s / 60:.0f}: what they bring can't be told.")
        left_s -= needed_s
        if left_s < 0 or len(chosen) == _MOST:
            break
        chosen.append(configuration)
    if not chosen:
        return Outlook(minutes, 0.0, "Every candidate is trained to its end: more time brings nothing.")
    mean, covariance = curves.ends(chosen)
    drawn = np.random.default_rng(0).multivariate_normal(mean, covariance, _DRAWS, check_valid="ignore")
    gain = float(np.clip(drawn.clip(0.0, 1.0).max(1) - best, 0.0, None).mean())
    advice = "worth going on" if gain >= WORTH else "stop here"
    told = f"about +{gain:.2f}".replace("+0.", "+.")
    return Outlook(minutes, gain, f"Another {minutes:.0f} minutes would likely bring {told}: {advice}.")


def _exchanged(space: SearchSpace, mine: Mapping[str, Value], other: Mapping[str, Value], name: str) -> Configuration:
    """A configuration with another one's value of a hyperparameter, and of those that this one makes active."""
    values: dict[str, Value] = {}
    for h in space.hyperparameters:
        if not h.is_active(values):
            continue
        first, second = (other, mine) if h.name == name else (mine, other)
        values[h.name] = first.get(h.name, second.get(h.name, h.domain.default))
    return Configuration(values)
