"""The progress of a search: what every searcher remembers of its trials."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lightning_quicktune.search.lengths import Lengths, as_lengths
from lightning_quicktune.types import Configuration, Observation, Suggestion


class Progress:
    """How far each configuration has come, by its ``id``: scores so far, failures, and what is pending.

    Args:
        lengths: Slices of each full training; a number if all are alike.
    """

    def __init__(self, lengths: Lengths | int) -> None:
        self.lengths = as_lengths(lengths)
        self._scores: dict[str, tuple[float, ...]] = {}
        self._failed: set[str] = set()
        self._pending: dict[str, Configuration] = {}

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return frozenset(self._pending.values())

    def suggest(self, configuration: Configuration, fidelity: int) -> Suggestion:
        """Makes a suggestion and remembers it as pending."""
        self._pending[configuration.id] = configuration
        return Suggestion(configuration, fidelity)

    def suggest_to_end(self, configuration: Configuration) -> Suggestion:
        """The same, to the end of the configuration's own training."""
        return self.suggest(configuration, self.lengths.of(configuration.id))

    def record(self, observation: Observation) -> None:
        """Takes in an observation, asked for or not; of two curves of a configuration the longer one stays.

        Raises:
            ValueError: If a score is not finite.
        """
        config_id, scores = observation.configuration.id, observation.curve.scores
        for fidelity, score in enumerate(scores, start=1):
            if not math.isfinite(score):
                raise ValueError(
                    f"Configuration {config_id} has the score {score} at fidelity {fidelity}, but scores are finite: "
                    "one that isn't would spoil every comparison. End such a trial as failed, with the slices before."
                )
        self._pending.pop(config_id, None)
        if observation.failed:
            self._failed.add(config_id)
        if len(scores) >= len(self._scores.get(config_id, ())):
            self._scores[config_id] = scores

    def scores(self, config_id: str) -> tuple[float, ...]:
        """Score after each slice so far."""
        return self._scores.get(config_id, ())

    def has_failed(self, config_id: str) -> bool:
        """Whether the trial of this configuration ended by a failure."""
        return config_id in self._failed

    def is_open(self, config_id: str) -> bool:
        """Whether it may be suggested: not pending, not failed, and not at the end of its own training."""
        taken = config_id in self._pending or config_id in self._failed
        return not taken and len(self.scores(config_id)) < self.lengths.of(config_id)

    def best_open(self, among: Iterable[Configuration]) -> Configuration | None:
        """The one with the highest score so far that may be trained on, none if there is none."""
        started = [c for c in among if self.scores(c.id) and self.is_open(c.id)]
        return max(started, key=lambda c: max(self.scores(c.id)), default=None)
