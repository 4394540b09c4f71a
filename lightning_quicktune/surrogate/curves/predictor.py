"""Normalised learning curves of configurations on each training task: the mean of all, and the task's own deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lightning_quicktune.surrogate.curves.kernel import Kernel, solve
from lightning_quicktune.surrogate.curves.means import MeanCurve, Tried
from lightning_quicktune.surrogate.curves.tables import NormalisedTask

NOISE = 0.02  # share of a deviation's variance that is taken for chance
SMOOTH, OWN = (1.0, 0.7, 1.5, 0.4, 0.2, 0.1, 0.05), (0.8, 0.4, 0.2, 0.1, 0.05, 0.0)  # on equal likelihood the first
MOST_GROUPS, MOST_ROWS = 20, 200  # that the two are chosen by


@dataclass(frozen=True)
class Deviation:
    """How a task deviates from the mean of all, as shares of the mean square.

    Args:
        smooth: What neighbouring configurations share.
        own: What a configuration has to itself: known where it was tried, not elsewhere.
        unit: Root of the mean square.
    """

    smooth: float
    own: float
    unit: float


@dataclass(frozen=True, eq=False)
class Group:
    """Tasks on which the same configurations were tried, which share one factorisation.

    Args:
        tasks: Their places among the training tasks, shape ``(T,)``.
        encoded: The configurations, shape ``(N, D)``.
        weights: Of the kernel's columns, shape ``(N, T H)``.
    """

    tasks: Int[np.ndarray, " T"]
    encoded: Float[np.ndarray, "N D"]
    weights: Float[np.ndarray, "N TH"]


@dataclass(frozen=True, eq=False)
class CurvePredictor:
    """Predicts the curve that a configuration has on each training task, tried there or not.

    Args:
        mean: Over tasks.
        deviation: Of tasks from it.
        groups: The deviations.
        n_tasks: Training tasks.
    """

    mean: MeanCurve
    deviation: Deviation
    groups: tuple[Group, ...]
    n_tasks: int

    def predict(self, encoded: Float[np.ndarray, "C D"]) -> Float[np.ndarray, "T C H"]:
        """Normalised curves on each training task."""
        mean, kernel = self.mean.predict(encoded), self.mean.kernel
        found = np.repeat(mean[None], self.n_tasks, axis=0)
        for group in self.groups:
            values = self.deviation.smooth * kernel(encoded, group.encoded) @ group.weights
            rows, theirs = _common(encoded, group.encoded)
            values[rows] += self.deviation.own * group.weights[theirs]
            shaped = values.reshape(len(encoded), len(group.tasks), -1).transpose(1, 0, 2)
            found[group.tasks] += self.deviation.unit * shaped
        return found


def fit_predictor(
    tasks: Sequence[NormalisedTask],
    blocks: Int[np.ndarray, " D"],
    like: CurvePredictor | None = None,
    hidden: Sequence[Bool[np.ndarray, " _"]] | None = None,
) -> CurvePredictor:
    """Learns from training tasks.

    Args:
        tasks: The tasks.
        blocks: Which hyperparameter each column of an encoding belongs to.
        like: Gives kernel and variances, so that only the data are taken in; they are learned if not given.
        hidden: Trials of each task that must not be seen.
    """
    rows = [np.flatnonzero(~each) for each in hidden] if hidden else [np.arange(len(t.encoded)) for t in tasks]
    known = [Tried.of([t.encoded[r]], [t.curves[r]]) for t, r in zip(tasks, rows, strict=True)]  # the mean of seeds
    encoded, curves = [each.encoded for each in known], [each.curves for each in known]
    tried = Tried.of(encoded, curves)
    mean = like.mean.relearned(tried) if like else MeanCurve.fitted(tried, blocks)
    expected = dict(zip([row.tobytes() for row in tried.encoded], mean.predict(tried.encoded), strict=True))
    rests = [
        c - np.array([expected[row.tobytes()] for row in e]).reshape(c.shape)
        for e, c in zip(encoded, curves, strict=True)
    ]
    members = _grouped(encoded)
    deviation = like.deviation if like else _fit_deviation(mean.kernel, encoded, rests, members)
    groups = [_group(mean.kernel, deviation, each, encoded[each[0]], [rests[t] for t in each]) for each in members]
    return CurvePredictor(mean, deviation, tuple(groups), len(tasks))


def _group(
    kernel: Kernel,
    deviation: Deviation,
    tasks: Sequence[int],
    encoded: Float[np.ndarray, "N D"],
    rests: Sequence[Float[np.ndarray, "N H"]],
) -> Group:
    own = (deviation.own + NOISE) * np.eye(len(encoded))
    covariance = deviation.smooth * kernel(encoded, encoded) + own
    return Group(np.array(tasks), encoded, solve(covariance, np.concatenate(rests, axis=1) / deviation.unit))


def _fit_deviation(
    kernel: Kernel,
    encoded: Sequence[Float[np.ndarray, "_ D"]],
    rests: Sequence[Float[np.ndarray, "_ H"]],
    members: Sequence[Sequence[int]],
) -> Deviation:
    """By the likelihood of final scores, on a grid: in a kernel's eigenvectors it costs nothing."""
    unit = float(np.sqrt(np.mean(np.concatenate(rests) ** 2))) + 1e-9
    spectra = []
    for each in sorted(members, key=lambda m: -len(encoded[m[0]]) * len(m))[:MOST_GROUPS]:
        values, vectors = np.linalg.eigh(kernel(encoded[each[0]][:MOST_ROWS], encoded[each[0]][:MOST_ROWS]))
        final = np.stack([rests[t][:MOST_ROWS, -1] for t in each], axis=1)
        final = final / max(float(final.std()), 1e-9)
        spectra.append((np.maximum(values, 0.0), np.square(vectors.T @ final).mean(1), len(each)))
    best, chosen = np.inf, (SMOOTH[0], OWN[0])
    for own in OWN:
        for smooth in SMOOTH:
            parts = [(smooth * values + own + NOISE, power, n) for values, power, n in spectra]
            loss = float(sum(n * (np.log(v) + power / v).sum() for v, power, n in parts))
            if loss < best - 1e-6 * abs(best) or not np.isfinite(best):
                best, chosen = loss, (smooth, own)
    return Deviation(*chosen, unit)


def _grouped(encoded: Sequence[Float[np.ndarray, "_ D"]]) -> list[list[int]]:
    """Places of tasks with equal configurations; tasks without any are left out."""
    groups: dict[bytes, list[int]] = {}
    for place, each in enumerate(encoded):
        if len(each):
            groups.setdefault(np.ascontiguousarray(each).tobytes(), []).append(place)
    return list(groups.values())


def _common(
    first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "M D"]
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """Places of equal rows in both."""
    places = {row.tobytes(): i for i, row in enumerate(second)}
    pairs = [(i, places[row.tobytes()]) for i, row in enumerate(first) if row.tobytes() in places]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
