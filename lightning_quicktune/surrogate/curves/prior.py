"""The prior over a new task's learning curves, learned from other tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.surrogate.curves.beginning import learned_beginning, searches
from lightning_quicktune.surrogate.curves.costs import SliceCosts, fit_costs
from lightning_quicktune.surrogate.curves.left_out import LeftOut, forest_weight, left_out_tasks
from lightning_quicktune.surrogate.curves.pool_prior import LEAST_LIMIT, MOMENTS, PoolPrior
from lightning_quicktune.surrogate.curves.predictor import CurvePredictor, fit_predictor
from lightning_quicktune.surrogate.curves.ranks import Ranks, greedy_places
from lightning_quicktune.surrogate.curves.tables import LOWEST, KnotScale, TaskTable, knots_of, normalise
from lightning_quicktune.surrogate.curves.temperature import temperatures_of
from lightning_quicktune.surrogate.curves.trust import learned_limit
from lightning_quicktune.surrogate.curves.variances import FEW, LeftOutLikelihood, Residual, Variances, residual_curves

COST_EXPONENT = 0.5  # between improvement (0) and improvement per second (1)
UNKNOWN_OFFSET = 0.3  # of a knot's distance from the end and of its spread: what one or two tasks don't tell
ALIKE = 3.0  # knots over which such offsets stay alike


@dataclass(frozen=True, eq=False)
class CurvePrior:
    """How learning curves vary between tasks, configurations and shares of a training.

    Nothing is refitted on a new task: ``pool_prior`` only evaluates what was learned at its configurations.

    Args:
        predictor: Normalised curves of configurations on the training tasks.
        variances: How far a new task may lie from them.
        residual: How that goes over fidelities.
        scale: Where scores lie at each knot.
        costs: What slices cost; none if nothing is known of it.
        locations: Location of each training task, in scores, shape ``(T,)``.
        scales: Scale of each training task, in scores, shape ``(T,)``.
        shares: Knots as shares of a full training, shape ``(H,)``.
        lengths: Slices of the shortest and the longest full training that was seen.
        temperatures: See ``PoolPrior``.
        first_look: See ``PoolPrior``.
        ranks: Of configurations on the training tasks.
        n_first: How many configurations are trained to the end before any other, in the order that ranks say.
        limit: See ``PoolPrior``.
    """

    predictor: CurvePredictor
    variances: Variances
    residual: Residual
    scale: KnotScale
    costs: SliceCosts | None
    locations: Float[np.ndarray, " T"]
    scales: Float[np.ndarray, " T"]
    shares: Float[np.ndarray, " H"]
    lengths: tuple[int, int]
    temperatures: Float[np.ndarray, " M"]
    first_look: int
    ranks: Ranks
    n_first: int = 0
    limit: float = LEAST_LIMIT

    def pool_prior(self, encoded: Float[np.ndarray, "C D"], is_searched: bool = True) -> PoolPrior:
        """The prior at a new task's configurations.

        Args:
            encoded: The configurations.
            is_searched: Whether they are searched; the order that ranks say takes a while, and nothing else needs it.
        """
        curves, ignorance = self.predictor.predict(encoded), self.predictor.mean.ignorance(encoded)
        order = self._order(self.ranks.smoothed(encoded)) if is_searched and self.n_first else ()
        return self._at(encoded, curves, ignorance, self._log_cost(encoded), order)

    def of_left_out(self, left: LeftOut, rows: Int[np.ndarray, " N"]) -> PoolPrior:
        """The prior at some of a training task's configurations, if the task had not been recorded.

        Args:
            left: The task, left out.
            rows: Which configurations.
        """
        encoded, others = left.task.encoded[rows], replace(self, locations=left.locations, scales=left.scales)
        order = self._order(left.ranks[:, rows])
        return others._at(encoded, left.curves[:, rows], left.ignorance[rows], self._log_cost(encoded), order)

    def _log_cost(self, encoded: Float[np.ndarray, "C D"]) -> Float[np.ndarray, " C"]:
        return self.costs.predict(encoded) if self.costs else np.zeros(len(encoded))

    def _order(self, ranks: Float[np.ndarray, "T C"]) -> tuple[int, ...]:
        return tuple(greedy_places(ranks, self.n_first).tolist())

    def _at(
        self,
        encoded: Float[np.ndarray, "C D"],
        curves: Float[np.ndarray, "T C H"],
        ignorance: Float[np.ndarray, " C"],
        log_cost: Float[np.ndarray, " C"],
        order: tuple[int, ...],
    ) -> PoolPrior:
        v, mean, n = self.variances, curves.mean(0), len(curves)
        middle, spread = self.scale.middle, self.scale.spread
        loadings = np.sqrt(v.transfer / max(n - 1, 1)) * (curves - mean)
        wide = np.sqrt(1.0 + v.ignorance * ignorance)
        outer = np.outer(wide, wide)
        near, own = self.predictor.mean.kernel.stretched(v.stretch)(encoded, encoded), np.eye(len(encoded))
        return PoolPrior(
            mean=middle + spread * mean,
            loadings=(loadings * spread).transpose(1, 2, 0),
            finals=outer * v.residual * (v.smooth * near + (1 - v.smooth) * own),
            shapes=outer * (v.shape_smooth * near + v.shape_own * own),
            following=self.residual.following * spread,
            given_final=self.residual.given_final * np.outer(spread, spread),
            offsets=self._offsets(n),
            noise=max(v.noise, 1e-5) * spread**2,
            floor=middle + LOWEST * spread,
            locations=self.locations,
            scales=self.scales,
            log_cost=log_cost,
            shares=self.shares,
            cost_exponent=COST_EXPONENT,
            temperatures=self.temperatures,
            first_look=self.first_look,
            limit=self.limit,
            first=order,
        )

    def _offsets(self, n_tasks: int) -> Float[np.ndarray, "H H"]:
        """What few training tasks don't tell of the way from early scores to the end."""
        std = UNKNOWN_OFFSET * (np.abs(self.scale.middle) + self.scale.spread)
        std[-1] = 0.0
        place = np.arange(len(std))
        alike = np.exp(-np.abs(place[:, None] - place) / ALIKE)
        return np.asarray(np.outer(std, std) * alike * min(1.0, (2.0 / n_tasks) ** 2))


@dataclass(frozen=True, eq=False)
class PriorDraft:
    """Everything of a prior but its variances, and the likelihood that tells them.

    Args:
        prior: With the variances that the likelihood started from, and intervals as they come.
        left: The training tasks, left out.
        likelihood: Of them.
    """

    prior: CurvePrior
    left: Sequence[LeftOut]
    likelihood: LeftOutLikelihood

    def finished(self) -> CurvePrior:
        """The prior with the variances at the likelihood's present parameters.

        Searches of left-out tasks tell how a search begins, how wide intervals must be, and how far the evidence goes
        against what was taught though it holds.
        """
        prior = replace(self.prior, variances=self.likelihood.variances)
        beginning = learned_beginning(prior, self.left)
        prior = replace(prior, first_look=beginning.first_look, n_first=beginning.n_first)
        found = searches(prior, self.left)
        temperatures = temperatures_of([each.errors for each in found])
        return replace(prior, temperatures=temperatures, limit=learned_limit(prior, self.left, found))


def draft_curve_prior(
    tables: Sequence[TaskTable], blocks: Int[np.ndarray, " D"] | None = None, seed: int = 0
) -> PriorDraft:
    """Learns all but the variances from the tables of other tasks; see ``fit_curve_prior``."""
    lengths = [int(length) for table in tables for length in table.lengths]
    knots = knots_of(max(lengths))
    shares = knots / knots[-1]
    tasks, scale = normalise(tables, shares)
    columns = np.arange(tasks[0].encoded.shape[1]) if blocks is None else np.asarray(blocks)
    even = fit_predictor(tasks, columns)
    weight = forest_weight(tasks, even) if len(tasks) > FEW else even.mean.forest
    stacked = replace(even, mean=replace(even.mean, forest=weight))
    predictor = fit_predictor(tasks, columns, like=stacked)
    left = left_out_tasks(tasks, columns, predictor)
    residual = residual_curves(left)
    likelihood = LeftOutLikelihood(left, predictor.mean.kernel, residual, len(tasks), seed)
    prior = CurvePrior(
        predictor=predictor,
        variances=likelihood.variances,
        residual=residual,
        scale=scale,
        costs=fit_costs(tables, columns),
        locations=np.array([task.location for task in tasks]),
        scales=np.array([task.scale for task in tasks]),
        shares=shares,
        lengths=(min(lengths), max(lengths)),
        temperatures=np.ones(len(MOMENTS)),
        first_look=0,
        ranks=Ranks.of([task.encoded for task in tasks], [task.ends for task in tasks]),
    )
    return PriorDraft(prior, left, likelihood)


def fit_curve_prior(
    tables: Sequence[TaskTable], blocks: Int[np.ndarray, " D"] | None = None, seed: int = 0
) -> CurvePrior:
    """Learns the prior from the tables of other tasks.

    Args:
        tables: Trials of the training tasks, all with the same encoding.
        blocks: Which hyperparameter each column of an encoding belongs to; each its own if not given.
        seed: Decides which points the likelihood is evaluated on.

    Raises:
        ValueError: If final scores differ between configurations on no task.
    """
    draft = draft_curve_prior(tables, blocks, seed)
    draft.likelihood.minimise()
    return draft.finished()
