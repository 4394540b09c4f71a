"""Differential evolution with Hyperband, by the package dehb in an environment of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightning_quicktune.search.dehb_process import DehbProcess
from lightning_quicktune.search.lengths import Lengths, as_lengths
from lightning_quicktune.search.nearest import NearestMembers, active_configuration
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.hyperparameter import Domain
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Observation, Suggestion

_FAILED = 1.0  # fitness, lower is better: worse than any score
_MOST_REPEATS = 1000  # proposals in a row that need no training


@dataclass(frozen=True)
class _Job:
    """What DEHB waits for: a configuration's score at a fidelity."""

    number: int
    configuration: Configuration
    step: int  # as DEHB counts
    fidelity: int  # slices of its own training


class DehbSearcher:
    """Lets DEHB propose configurations and fidelities; the pool's nearest untried member stands for a proposal.

    DEHB sees the member's score as that of its own proposal. Once every member was proposed, the best are trained to
    the end, so that no budget is left unused.

    Args:
        pool: Distinct configurations.
        space: Where they come from.
        lengths: Slices of each full training; a number if all are alike.
        seed: Seed of the proposals.
        eta: Factor between the fidelities at which configurations are compared.

    References:
        Awad, Mallik and Hutter (2021), DEHB: Evolutionary Hyperband for Scalable, Robust and Efficient Hyperparameter
        Optimization.
    """

    def __init__(
        self, pool: Sequence[Configuration], space: SearchSpace, lengths: Lengths | int, seed: int, eta: int = 3
    ) -> None:
        domains = {h.name: _plain(h.domain) for h in space.hyperparameters}
        self._progress, self._lengths = Progress(lengths), as_lengths(lengths)
        self._steps = self._lengths.usual  # fidelities of DEHB: equal shares of each training
        self._process = DehbProcess({"domains": domains, "max_fidelity": self._steps, "eta": eta, "seed": seed})
        self._members, self._space = NearestMembers(space, pool), space
        self._given: dict[int, Configuration] = {}  # by DEHB's number of a proposal
        self._jobs: list[_Job] = []  # not yet answered

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """DEHB's next job that needs training.

        What was told before it was asked for, as after a restart, is told to DEHB as soon as it is proposed.
        """
        for job in self._jobs:
            if self._progress.is_open(job.configuration.id):  # stopped before its fidelity, as by a spent budget
                return self._progress.suggest(job.configuration, job.fidelity)
        for _ in range(_MOST_REPEATS):
            proposed = self._next_job()
            if proposed is None:
                break
            self._jobs.append(proposed)
            self._answer()
            if proposed in self._jobs and self._progress.is_open(proposed.configuration.id):
                return self._progress.suggest(proposed.configuration, proposed.fidelity)
        best = self._progress.best_open(self._given.values())
        return None if best is None else self._progress.suggest_to_end(best)

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        self._progress.record(observation)
        self._answer()

    def _next_job(self) -> _Job | None:
        """None once the pool is used up."""
        if self._members.is_exhausted:
            return None
        answer = self._process.request({"ask": True})
        draws: dict[str, float] = answer["draws"]
        if answer["config_id"] not in self._given:
            proposal = active_configuration(self._space, lambda name, _: draws[name])
            self._given[answer["config_id"]] = self._members.take(proposal)
        configuration, step = self._given[answer["config_id"]], min(math.ceil(answer["fidelity"] - 1e-9), self._steps)
        return _Job(answer["job"], configuration, step, self._lengths.at_share(configuration.id, step / self._steps))

    def _answer(self) -> None:
        """Tells DEHB of every job that has ended."""
        left = []
        for job in self._jobs:
            scores = self._progress.scores(job.configuration.id)
            if len(scores) >= job.fidelity:
                fitness = -scores[job.fidelity - 1]
            elif self._progress.has_failed(job.configuration.id):
                fitness = _FAILED
            else:
                left.append(job)
                continue
            self._process.request({"tell": job.number, "fitness": fitness, "cost": job.step})
        self._jobs = left


def _plain(domain: Domain) -> dict[str, Any]:
    if isinstance(domain, CategoricalDomain):
        return {"type": "ordered" if domain.ordered else "unordered", "n": len(domain.choices)}
    return {"type": domain.type, "bounds": [domain.lower, domain.upper], "log": domain.log}
