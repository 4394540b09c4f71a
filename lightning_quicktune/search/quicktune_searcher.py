"""Search by transfer with refit: default Quick-Tune."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.names import DEFAULT_ACQUISITION, Acquisition
from lightning_quicktune.search.transfer_searcher import TransferSearcher
from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.performance_model import PerformanceModel
from lightning_quicktune.surrogate.refit import Observed, refit_cost, refit_performance
from lightning_quicktune.types import Configuration, LearningCurve, Observation, Suggestion, TaskInfo

_EACH, _THEN = 20, 10  # refitted at each observation up to the first, then at every so many


class QuickTuneSearcher:
    """Searches as ``TransferSearcher`` does, with surrogates that are refitted on the new task's observations.

    They are refitted at each of the first 20 observations, then at every tenth, always from the weights that earlier
    tasks taught.

    Args:
        pool: Distinct configurations; on a tie the first wins.
        task: The new task, with its meta-features.
        performance: Predicts the latent score at a later fidelity.
        cost: Predicts the seconds of one slice.
        reference_step_s: Seconds of one fixed step of the base model on the present device.
        acquisition: What a candidate is worth.
        seed: Seed of whatever is random.
        lengths: Slices of each full training; all as the task says if not given.

    References:
        Arango, Ferreira, Kadra, Hutter and Grabocka (2024), Quick-Tune.
    """

    def __init__(
        self,
        pool: Sequence[Configuration],
        task: TaskInfo,
        performance: PerformanceModel,
        cost: CostModel,
        reference_step_s: float,
        acquisition: Acquisition = DEFAULT_ACQUISITION,
        seed: int = 0,
        lengths: Lengths | None = None,
    ) -> None:
        self._transfer = TransferSearcher(pool, task, performance, cost, reference_step_s, acquisition, seed, lengths)
        self._task, self._performance, self._cost = task, performance, cost
        self._reference_step_s, self._seed = reference_step_s, seed
        self._curves: dict[Configuration, LearningCurve] = {}
        self._n_told = 0
        self._due: Observed | None = None  # what to refit on before the next suggestion

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._transfer.pending

    def ask(self) -> Suggestion | None:
        """The open configuration with the largest acquisition value, one slice further."""
        if self._due:
            performance = refit_performance(self._performance, self._task, self._due, self._seed)
            cost = refit_cost(self._cost, self._task, self._due, self._reference_step_s)
            self._transfer.use(performance, cost)
            self._due = None
        return self._transfer.ask()

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        self._transfer.tell(observation)
        known = self._curves.get(observation.configuration)
        if known is None or observation.curve.fidelity >= known.fidelity:
            self._curves[observation.configuration] = observation.curve
        self._n_told += 1
        if self._n_told <= _EACH or self._n_told % _THEN == 0:
            self._due = tuple(self._curves.items())
