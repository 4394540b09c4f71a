"""Names the configurations to try first, with what is expected of them; trains nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_quicktune.compose import FitConfig, build, quiet_upstream, read_yaml, to_yaml, with_overrides
from lightning_quicktune.files.whole import read_json, write_json, write_text
from lightning_quicktune.space.border import at_border
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.surrogate.intervals import (
    COVERAGE,
    ScoreIntervals,
    intervals_of_latent,
    intervals_of_scores,
)
from lightning_quicktune.surrogate.threads import one_thread
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.trials.trainer import time_reference_step
from lightning_quicktune.tuning.candidates import candidates_of
from lightning_quicktune.tuning.experience import Experience, base_model_name, load_experience
from lightning_quicktune.tuning.experience_folder import check_there
from lightning_quicktune.tuning.predicted import PredictedSlice
from lightning_quicktune.tuning.recommendation import Recommendation, recommendation_table
from lightning_quicktune.tuning.settings import RecommendSettings, SurrogateSources
from lightning_quicktune.types import Configuration, TaskInfo

TABLE = "recommendations"
SHIPPED = SurrogateSources(cost="nano", curves="nano")


@dataclass(frozen=True)
class Recommended:
    """What ``recommend`` found.

    Args:
        recommendations: The k best, best first.
        default: The default configuration, among all candidates.
        table: Both as Markdown.
        folder: Where table and fit YAMLs are.
    """

    recommendations: tuple[Recommendation, ...]
    default: Recommendation
    table: str
    folder: Path


def recommend(settings: RecommendSettings) -> Recommended:
    """Ranks a pool of candidates by predicted final score, and writes the best ones as fit YAMLs.

    Args:
        settings: Task, recipe, surrogates and sizes.

    Raises:
        FileNotFoundError: If data, base model, recipe or surrogates aren't there.
        ValueError: If they don't fit each other.
    """
    quiet_upstream()
    folder = Path(settings.output)
    recipe = with_overrides(read_yaml(Path(settings.recipe)), settings.overrides)
    if settings.experience:
        check_there(settings.experience, None)
    sources = settings.surrogates or (None if settings.experience else SHIPPED)
    experience = load_experience(sources, settings.experience, by_curves=True)
    if not experience.cards:
        raise ValueError(
            f"`experience` is {settings.experience}, which has too few full trainings to learn from. `tune` can begin "
            "with it; to recommend, set `experience` to a larger one."
        )
    card = experience.cards[0]
    space = SearchSpace.from_yaml(Path(settings.space)) if settings.space is not None else card.space
    experience.use_in(space, base_model_name(recipe), settings.allow_other_base_model, settings.partial)
    sys.stderr.write(f"Describing {settings.task} and the base model ...\n")
    setup = set_up_task(settings.task, recipe, card.layout.max_fidelity, folder / "task")
    pool = candidates_of(space, settings.pool_size, settings.seed, experience)
    reference_step_s = time_reference_step(setup.fit)  # on as many threads as a trial would have
    with one_thread():
        ranked = rank(pool, setup.info, experience, reference_step_s)
    best, default = ranked[: settings.k], next(r for r in ranked if r.configuration == space.default)
    fits = [_fit(TrialPlan(setup.info, setup.fit, space, r.configuration, settings.seed, folder)) for r in best]
    _remove_earlier(folder, best)
    for each, fit in zip(best, fits, strict=True):
        write_text(folder / each.file, _header(each, setup.info.metric, folder / each.file) + to_yaml(fit))
    borders = at_border(space, best[0].configuration)
    table = recommendation_table(setup.info, best, default, len(pool), folder, borders)
    write_text(folder / f"{TABLE}.md", table)
    record = {
        "task": setup.info.name,
        "coverage": COVERAGE,
        "files": [each.file for each in best],
        "recommendations": [each.to_dict() for each in best],
        "default": default.to_dict(),
    }
    write_json(folder / f"{TABLE}.json", record)
    return Recommended(best, default, table, folder)


def rank(
    pool: Sequence[Configuration], task: TaskInfo, experience: Experience, reference_step_s: float
) -> tuple[Recommendation, ...]:
    """All candidates with what is expected of them, best first; equal ones in the order of the pool.

    Args:
        pool: The candidates.
        task: Record of the task.
        experience: The surrogates.
        reference_step_s: Seconds of the base model's reference step on this device.
    """
    means, expected = predicted_curves(pool, task, experience)
    predictor = experience.cost.predict if experience.cost is not None else _curves_of(experience).predict_cost
    cost_s = task.max_fidelity * predictor(task, pool, reference_step_s)
    order = np.argsort(-means[:, -1], kind="stable")
    return tuple(
        Recommendation(place, pool[i], _curve(expected, i), float(cost_s[i]))
        for place, i in enumerate(order.tolist(), start=1)
    )


def predicted_curves(
    pool: Sequence[Configuration], task: TaskInfo, experience: Experience
) -> tuple[Float[np.ndarray, "N F"], ScoreIntervals]:
    """Predicted means, which may lie beyond all scores, and what is expected after each slice, arrays of that shape.

    The prior over curves predicts where it is there; the means of the performance surrogate are latent.

    Args:
        pool: The candidates.
        task: Record of the task.
        experience: The surrogates.
    """
    if experience.curves is not None or experience.performance is None:
        mean, std = _curves_of(experience).predict(task, pool)
        return mean, intervals_of_scores(mean, std)
    n = task.max_fidelity
    repeated = [c for c in pool for _ in range(n)]
    flat = experience.performance.predict_widened(task, repeated, list(range(1, n + 1)) * len(pool))
    mean, std = (each.reshape(-1, n) for each in flat)
    return mean, intervals_of_latent(mean, std, task.zero_shot_score)


def _curves_of(experience: Experience) -> CurveModel:
    if experience.curves is None:
        raise ValueError(
            "`surrogates` names only one of `performance` and `cost`, and a recommendation says score and cost of each "
            "configuration. Set `surrogates.curves`, which predicts both, or `surrogates.performance` and "
            "`surrogates.cost`."
        )
    return experience.curves


def _fit(plan: TrialPlan) -> FitConfig:
    """The fit YAML of a configuration, once ``fit`` is sure to take it."""
    try:
        build(plan.resolved)
    except ValueError as error:
        raise ValueError(
            f"The search space doesn't fit the recipe: {error} This came of the configuration "
            f"{dict(plan.configuration.values)}. Use a `recipe` that has the keys of the surrogates' search space."
        ) from error
    return plan.resolved


def _curve(expected: ScoreIntervals, place: int) -> tuple[PredictedSlice, ...]:
    slices = zip(*(scores[place].tolist() for scores in expected), strict=True)
    return tuple(PredictedSlice(fidelity, *scores) for fidelity, scores in enumerate(slices, start=1))


def _header(each: Recommendation, metric: str, path: Path) -> str:
    last = each.curve[-1]
    return (
        f"# Place {each.rank}: {metric} {last.score:.3f} expected after a full training ({last.lower:.3f} to "
        f"{last.upper:.3f} with {COVERAGE:.0%}), in {each.cost_s:.1f} s.\n"
        f"#   lightning-quicktune fit --config {path}\n"
    )


def _remove_earlier(folder: Path, best: Sequence[Recommendation]) -> None:
    """Removes the fit YAMLs of an earlier call that are not recommended any more."""
    earlier = read_json(folder / f"{TABLE}.json") or {"files": []}
    for name in set(earlier["files"]) - {each.file for each in best}:
        (folder / Path(name).name).unlink(missing_ok=True)
