"""The latent scale, on which scores of different tasks can be compared."""

import math

import numpy as np
from jaxtyping import Float

MARGIN = 1e-4  # scores of exactly 0 or 1 have no finite logit


def to_latent(scores: Float[np.ndarray, "*shape"], zero_shot: float) -> Float[np.ndarray, "*shape"]:
    """Logit of each score minus the logit of the zero-shot score.

    Both are first clipped to ``[MARGIN, 1 - MARGIN]``. A latent score of 0 is as good as the untrained base model.
    Where the zero-shot score is unknown, it is as good as a score of one half: a rule that needs no score of the task,
    so that a new one can follow it before anything was tried. Its own height is then for its curves to tell.

    Args:
        scores: Scores in [0, 1].
        zero_shot: Score of the base model without an adapter, in [0, 1]; not a number if unknown.

    Returns:
        Latent scores, higher is better, without bounds that matter in practice.

    Raises:
        ValueError: If ``zero_shot`` is outside [0, 1].
    """
    return _logit(scores) - _zero_shot_logit(zero_shot)


def to_score(latent: Float[np.ndarray, "*shape"], zero_shot: float) -> Float[np.ndarray, "*shape"]:
    """Scores in [0, 1] that belong to latent scores: the inverse of ``to_latent``.

    Args:
        latent: Latent scores.
        zero_shot: Score of the base model without an adapter, in [0, 1]; not a number if unknown.
    """
    return 0.5 * (1.0 + np.tanh(0.5 * (latent + _zero_shot_logit(zero_shot))))  # a sigmoid that can't overflow


def _logit(scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    clipped = np.clip(scores.astype(np.float64), MARGIN, 1.0 - MARGIN)
    return np.log(clipped) - np.log1p(-clipped)


def _zero_shot_logit(zero_shot: float) -> float:
    if math.isnan(zero_shot):
        return 0.0
    if not 0.0 <= zero_shot <= 1.0:
        raise ValueError(
            f"The task's `zero_shot_score` is {zero_shot}, but a score lies in [0, 1], and latent scores are measured "
            "from it. Measure it again with the untrained base model on the validation records."
        )
    return float(_logit(np.array([zero_shot]))[0])
