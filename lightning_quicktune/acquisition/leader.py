"""The score that a candidate has to beat while another one is ahead."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def to_beat(
    mean: Float[np.ndarray, "C H"],
    cost: Float[np.ndarray, "C H"],
    begun: Int[np.ndarray, " N"],
    incumbent: float,
    ends: Int[np.ndarray, " C"] | None = None,
) -> Float[np.ndarray, "C H"]:
    """What each configuration has to beat at each knot.

    The best score so far; and for all but the most promising of the trials that were begun, what that one is expected
    to gain for the same money: an early score that is better than another early one is no gain by itself.

    Args:
        mean: Mean score at each knot.
        cost: Expected seconds of training on to each knot; only later knots count.
        begun: Places of the trials that were begun and can go on.
        incumbent: Best score so far.
        ends: The last knot of each configuration that can be seen; none if all of them can.
    """
    beaten, last = np.full(mean.shape, incumbent), np.full(len(mean), mean.shape[1] - 1) if ends is None else ends
    if len(begun):
        leader = int(begun[mean[begun, last[begun]].argmax()])
        ahead = max(float(mean[leader, last[leader]]) - incumbent, 0.0)
        others = np.arange(len(mean)) != leader
        beaten[others] += ahead * np.minimum(cost[others] / cost[leader, last[leader]], 1.0)
    return beaten
