"""Scores of a foreign table -> scores in [0, 1], of which higher is better."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.source import Source

LARGEST_LOSS = 20.0  # nats; where even the best is larger, the column holds no log-likelihoods
WHOLE = {"unit": 1.0, "percent": 100.0, "nats": np.inf}  # the largest value on each scale


def unit_scores(scores: Float[np.ndarray, " R"], name: str, settings: ImportSettings) -> Float[np.ndarray, " R"]:
    """Turns scores so that they lie in [0, 1] and higher is better; what is not a number stays so.

    Args:
        scores: What the column holds.
        name: Name of the column.
        settings: Scale and direction of the scores.

    Raises:
        ValueError: If a score lies outside its scale.
    """
    finite, whole = scores[np.isfinite(scores)], WHOLE[settings.score_scale]
    lower, upper = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    if lower < 0.0 or upper > whole:
        raise ValueError(
            f"The column {name!r} goes from {lower:g} to {upper:g}, but with `score_scale: {settings.score_scale}` "
            f"{'losses are at least 0' if whole == np.inf else f'scores lie in [0, {whole:g}]'}. "
            f"{_advice(lower, whole)}"
        )
    if whole == np.inf and lower > LARGEST_LOSS:
        raise ValueError(
            f"The column {name!r} goes from {lower:g} to {upper:g}, and as losses in nats (`score_scale: nats`) all "
            f"of these become scores of nothing: exp(-{lower:g}) is {np.exp(-lower):.0e}. Divide the column by a "
            "number of its own size before importing, such as its median."
        )
    turned: Float[np.ndarray, " R"] = np.exp(-scores) if settings.score_scale == "nats" else scores / whole
    return 1.0 - turned if settings.minimise and settings.score_scale != "nats" else turned


def scale_notes(scores: Float[np.ndarray, " R"], name: str, settings: ImportSettings) -> list[str]:
    """What may be wrong with the scale of scores that lie within it.

    Args:
        scores: What the column holds.
        name: Name of the column.
        settings: Scale of the scores.
    """
    finite = scores[np.isfinite(scores)]
    if settings.score_scale != "percent" or not len(finite) or finite.max() > 1.0:
        return []
    return [f"no score in {name!r} is above 1 per cent; if they are shares, set `score_scale: unit`"]


def _advice(lower: float, whole: float) -> str:
    if lower >= 0.0:
        return (
            "Set `score_scale: percent` for percentages, `minimise: true` for error rates, and both `minimise: true` "
            "and `score_scale: nats` for losses; or rescale the column before importing."
        )
    if whole == np.inf:
        return "Add the same number to all losses before importing, so that the smallest is 0."
    return (
        "Scores below 0 are turned into losses before importing, with `minimise: true` and `score_scale: nats`: a "
        "log-likelihood x into -x, a coefficient of determination x into 1 - x."
    )


def check_numbers(source: Source, not_numbers: Bool[np.ndarray, " R"]) -> None:
    """Refuses scores that say of themselves that they are no numbers.

    Args:
        source: The foreign table.
        not_numbers: Which rows have such a score.

    Raises:
        ValueError: If there is one.
    """
    if not not_numbers.any():
        return
    names, wrong = source.columns, source.rows[not_numbers]
    first = wrong.iloc[0]
    n_curves = len(wrong[[names.task, names.config_id]].drop_duplicates())
    raise ValueError(
        f"{len(wrong)} of {len(source.rows)} rows, of {n_curves} configurations on tasks, have a score that is no "
        f"number ({first[names.score]} in {names.score!r}); the first is of task {str(first[names.task])!r}, "
        f"configuration {first[names.config_id]}, {names.fidelity} {first[names.fidelity]}. If those trials diverged "
        "there, set `nan: diverged`; if no score was taken there, leave the cell empty."
    )
