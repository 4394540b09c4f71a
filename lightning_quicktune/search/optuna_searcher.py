"""Tree-structured Parzen estimator with successive halving, by Optuna."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightning_quicktune.search.lengths import Lengths, as_lengths
from lightning_quicktune.search.nearest import NearestMembers, active_configuration
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.hyperparameter import Domain
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Observation, Suggestion


@dataclass(eq=False)
class _Running:
    """A trial of the study that may be trained further."""

    trial: Any
    configuration: Configuration
    reported: int = 0  # steps of the study: equal shares of each training, as many as the usual one has slices


class OptunaSearcher:
    """Lets Optuna propose configurations and prune them; the pool's nearest untried member stands for a proposal.

    Optuna learns from the member's own hyperparameters, not from those that it proposed. Once every member was
    started, the best of the pruned ones are trained to the end, so that no budget is left unused.

    Args:
        pool: Distinct configurations.
        space: Where they come from.
        lengths: Slices of each full training; a number if all are alike.
        seed: Seed of the proposals.
        eta: Factor between the fidelities at which trials are compared.
        first: Members of the pool that are proposed before all others.

    Raises:
        ImportError: If Optuna is not installed.

    References:
        Bergstra, Bardenet, Bengio and Kegl (2011), Algorithms for Hyper-Parameter Optimization. Li et al. (2020), A
        System for Massively Parallel Hyperparameter Tuning. Akiba, Sano, Yanase, Ohta and Koyama (2019), Optuna.
    """

    def __init__(
        self,
        pool: Sequence[Configuration],
        space: SearchSpace,
        lengths: Lengths | int,
        seed: int,
        eta: int = 3,
        first: Sequence[Configuration] = (),
    ) -> None:
        self._optuna = optuna = _import_optuna()
        self._members, self._space, self._eta = NearestMembers(space, pool), space, eta
        self._progress, self._lengths = Progress(lengths), as_lengths(lengths)
        self._steps = self._lengths.usual
        self._tried: list[Configuration] = []
        self._first = deque(first)
        self._waiting: deque[_Running] = deque()
        self._asked: dict[str, _Running] = {}
        self._study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            # Hyperband would let the sampler learn within each of its brackets alone, from a quarter of the trials.
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=eta),
        )

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """A trial that was not pruned up to the next comparison, else a new proposal.

        What was told before it was asked for, as after a restart, is told to the study as soon as it is proposed.
        """
        while self._waiting or not self._members.is_exhausted:
            running = self._waiting.popleft() if self._waiting else self._propose()
            if not self._take_in(running):
                self._asked[running.configuration.id] = running
                fidelity = self._fidelity(running.configuration, self._next_step(running.reported))
                return self._progress.suggest(running.configuration, fidelity)
        best = self._progress.best_open(self._tried)
        return None if best is None else self._progress.suggest_to_end(best)

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        self._progress.record(observation)
        running = self._asked.pop(observation.configuration.id, None)
        if running is not None and not self._take_in(running):
            self._waiting.append(running)

    def _propose(self) -> _Running:
        """A trial of the study with the hyperparameters of a member near Optuna's proposal."""
        member = self._members.take(self._first.popleft()) if self._first else self._near_proposal()
        domains = {h.name: h.domain for h in self._space.hyperparameters}
        self._study.enqueue_trial({name: _place(domains[name], value) for name, value in member.values.items()})
        trial = self._study.ask()
        active_configuration(self._space, lambda name, d: _suggest(trial, name, d))
        self._tried.append(member)
        return _Running(trial, member)

    def _near_proposal(self) -> Configuration:
        proposal = self._study.ask()
        member = self._members.take(active_configuration(self._space, lambda name, d: _suggest(proposal, name, d)))
        self._study.tell(proposal, state=self._optuna.trial.TrialState.FAIL)  # the samplers pass over it
        return member

    def _take_in(self, running: _Running) -> bool:
        """Reports the scores that are new; returns whether the trial has ended or nothing can be added to it."""
        config_id, states = running.configuration.id, self._optuna.trial.TrialState
        scores = self._progress.scores(config_id)
        while (fidelity := self._fidelity(running.configuration, running.reported + 1)) <= len(scores):
            running.reported += 1
            score = scores[fidelity - 1]
            running.trial.report(score, running.reported)
            if running.reported == self._steps:
                self._study.tell(running.trial, score)
                return True
            if running.trial.should_prune():
                self._study.tell(running.trial, state=states.PRUNED)
                return True
        if self._progress.has_failed(config_id):
            self._study.tell(running.trial, state=states.PRUNED if running.reported else states.FAIL)
        return self._progress.has_failed(config_id)

    def _next_step(self, reported: int) -> int:
        step = 1
        while step <= reported:
            step *= self._eta
        return min(step, self._steps)

    def _fidelity(self, configuration: Configuration, step: int) -> int:
        """Slices of a configuration after which it has had as large a share of its training as a step is of all."""
        return self._lengths.at_share(configuration.id, step / self._steps)


def _suggest(trial: Any, name: str, domain: Domain) -> float:
    if isinstance(domain, CategoricalDomain):
        last = len(domain.choices) - 1
        found = trial.suggest_int(name, 0, last) if domain.ordered else _suggest_choice(trial, name, last)
    elif domain.type == "int":
        found = trial.suggest_int(name, int(domain.lower), int(domain.upper), log=domain.log)
    else:
        found = trial.suggest_float(name, float(domain.lower), float(domain.upper), log=domain.log)
    return float(found)


def _suggest_choice(trial: Any, name: str, last: int) -> Any:
    return trial.suggest_categorical(name, list(range(last + 1)))


def _place(domain: Domain, value: Any) -> Any:
    return domain.index(value) if isinstance(domain, CategoricalDomain) else value


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            "`searcher: optuna` needs the package Optuna, which is not installed. Install it with "
            "`pip install 'lightning-quicktune[optuna]'`, or choose another `searcher`."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
