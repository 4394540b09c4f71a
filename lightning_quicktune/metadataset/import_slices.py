"""Slices of learning curves as arrays: costs of rows without a score, shares of a training, and holes."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int

FEWEST, MOST_OTHERS = 3, 0.9  # how many other curves have what one skips, and which share of them, if it is a hole


def merged_costs(
    trial: Int[np.ndarray, " R"], kept: Bool[np.ndarray, " R"], costs_s: Float[np.ndarray, " R"], n_trials: int
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " T"]]:
    """Costs once rows are left out: each is part of the next row that is kept.

    Args:
        trial: Trial of each row, in order.
        kept: Which rows are kept.
        costs_s: Seconds of each row, not a number where unknown.
        n_trials: How many trials there are.

    Returns:
        Seconds of each row that is kept, not a number where none of its parts is known; and what each trial spent
        after the last of them.
    """
    if kept.all():
        return costs_s, np.zeros(n_trials)
    places = np.flatnonzero(kept)
    target = np.cumsum(kept) - kept  # how many were kept before this row
    inside = target < len(places)
    inside[inside] = trial[places[target[inside]]] == trial[inside]
    known = np.isfinite(costs_s)
    part, after = inside & known, ~inside & known
    total = np.bincount(target[part], weights=costs_s[part], minlength=len(places))
    n_known = np.bincount(target[part], minlength=len(places))
    rest = np.bincount(trial[after], weights=costs_s[after], minlength=n_trials).astype(np.float64)
    return np.where(n_known > 0, total, np.nan), rest


def places_in(trial: Int[np.ndarray, " R"]) -> Int[np.ndarray, " R"]:
    """Place of each row within its trial, from 0.

    Args:
        trial: Trial of each row, in order.
    """
    starts = np.flatnonzero(np.diff(trial, prepend=-1))
    lengths = np.diff(starts, append=len(trial))
    return np.arange(len(trial)) - np.repeat(starts, lengths)


def at_shares(
    place: Int[np.ndarray, " R"], length: Int[np.ndarray, " R"], shares: int
) -> tuple[Bool[np.ndarray, " R"], Int[np.ndarray, " R"]]:
    """Which slices are the last ones at or before equal shares of a training, and at which share, from 1.

    Args:
        place: Place of each slice within its trial, from 0.
        length: Slices of the whole training of its trial; one with fewer slices than shares keeps them all.
        shares: How many shares.
    """
    share = -(-(place + 1) * shares // length)  # the first share that ends at this slice or later
    few = length <= shares
    return few | (share * length // shares == place + 1), np.where(few, place + 1, share)


def hole(
    task: Int[np.ndarray, " R"],
    trial: Int[np.ndarray, " R"],
    fidelity: Int[np.ndarray, " R"],
    taken: Bool[np.ndarray, " R"],
    numbers: Float[np.ndarray, " P"],
) -> tuple[int, int, int] | None:
    """A learning curve that lacks a row which nearly all others of its task that pass its fidelity have.

    Only evenly spaced fidelities have holes: others, such as sizes of a training set, are no units of training. A
    curve that is evenly spaced itself, or has not even half of the fidelities, was scored at its own ones.

    Args:
        task: Task of each row.
        trial: Trial of each row, in order.
        fidelity: Fidelity of each row, numbered over the whole table, rising within each trial.
        taken: Whether a score was taken there; of rows of equal fidelity, in the last one if in any.
        numbers: The fidelities themselves, in order.

    Returns:
        The trial, the fidelity that it skips, and the one with which it goes on; none if there is no hole.
    """
    points, point = np.unique(task * len(numbers) + fidelity, return_inverse=True)
    alone = np.append((np.diff(trial) != 0) | (np.diff(point) != 0), True)
    trial, point, taken = trial[alone], point[alone], taken[alone]
    own, scored = trial[taken], point[taken]
    first, last = np.zeros((2, int(trial.max(initial=0)) + 1), dtype=np.int64)
    first[own[::-1]], last[own] = scored[::-1], scored
    passing = np.bincount(first[np.unique(own)], minlength=len(points) + 1)
    passing[1:] -= np.bincount(last[np.unique(own)], minlength=len(points))
    others = np.cumsum(passing[:-1]) - 1  # curves that pass a point, without the one that skips it
    shared = np.bincount(scored, minlength=len(points)) >= np.maximum(FEWEST, MOST_OTHERS * others)
    n_before = np.concatenate([[0], np.cumsum(shared)])
    inside = (point >= first[trial]) & (point <= last[trial]) & shared[point]
    n_own = np.bincount(trial[inside], minlength=len(first))
    for i in np.flatnonzero(n_before[last + 1] - n_before[first] > n_own):
        rows = slice(*np.searchsorted(trial, [i, i + 1]))
        mine, passed = point[rows], np.flatnonzero(shared[first[i] : last[i] + 1]) + first[i]
        steps, skipped = np.diff(numbers[points[passed] % len(numbers)]), ~np.isin(passed, mine)
        if 2 * skipped.sum() >= len(skipped) or _is_even(numbers[points[mine[taken[rows]]] % len(numbers)]):
            continue
        for k in np.flatnonzero(skipped[1:-1]):
            if math.isclose(steps[k], steps[k + 1], rel_tol=1e-3):
                following = mine[mine > passed[k + 1]][0]
                return int(i), int(points[passed[k + 1]] % len(numbers)), int(points[following] % len(numbers))
    return None


def _is_even(numbers: Float[np.ndarray, " P"]) -> bool:
    """Whether steps are equal; the last may be shorter where there are several."""
    steps = np.diff(numbers)
    whole = steps[:-1] if len(steps) > 2 and steps[-1] < steps[0] else steps
    return bool(np.allclose(whole, steps[:1], rtol=1e-3))
