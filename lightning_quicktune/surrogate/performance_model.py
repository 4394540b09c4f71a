"""The trained performance surrogate, without the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_quicktune.metadataset.examples import Examples
from lightning_quicktune.surrogate.card import SurrogateCard
from lightning_quicktune.surrogate.deep_kernel import Conditioned, DeepKernelGP
from lightning_quicktune.surrogate.encoder import FeatureEncoder
from lightning_quicktune.surrogate.scale import to_latent
from lightning_quicktune.types import Configuration, TaskInfo


class PerformanceModel(nn.Module):
    """Predicts latent scores from the support points of earlier tasks; the network is never refitted.

    A task's own observations enter as the learning curve of the configuration they belong to. The Gaussian process is
    factorised at the first prediction, once.

    ``temperature`` is the factor on standard deviations with which intervals hold what they say on tasks that were held
    out. Searchers decide by the plain ones.

    Args:
        card: What the surrogate was made for.
        n_support: Support points that are kept.
    """

    support_inputs: Tensor
    support_latent: Tensor
    temperature: Tensor

    def __init__(self, card: SurrogateCard, n_support: int) -> None:
        super().__init__()
        self.card = card
        self.gp = DeepKernelGP(FeatureEncoder(card.layout, card.hidden, card.features))
        self.register_buffer("support_inputs", torch.zeros(n_support, card.layout.width, dtype=torch.float64))
        self.register_buffer("support_latent", torch.zeros(n_support, dtype=torch.float64))
        self.register_buffer("temperature", torch.ones((), dtype=torch.float64))
        self._given: Conditioned | None = None

    @property
    def encoder(self) -> FeatureEncoder:
        """The feature map of the Gaussian process, with the scales of its inputs."""
        return cast(FeatureEncoder, self.gp.encoder)

    def standardize(self, latent: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """Latent scores as the Gaussian process sees them."""
        return self.encoder.latent_scale(latent.unsqueeze(-1)).squeeze(-1)  # type: ignore[no-any-return]

    def set_support(self, support: Examples) -> None:
        """Replaces the points that predictions come from.

        Args:
            support: As many points as the model was made for.
        """
        self.support_inputs.copy_(torch.from_numpy(support.inputs))
        self.support_latent.copy_(torch.from_numpy(support.latent))
        self._given = None

    @torch.no_grad()
    def predict(
        self,
        task: TaskInfo,
        configurations: Sequence[Configuration],
        curves: Sequence[Sequence[float]],
        fidelities: Sequence[int],
        lengths: Sequence[int] | None = None,
    ) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        """See ``PerformancePredictor``.

        Args:
            task: Record of the task.
            configurations: What would be trained.
            curves: Raw scores of each configuration so far.
            fidelities: Fidelity to predict for each configuration, later than its curve's end.
            lengths: Slices of each configuration's own full training; the task's ``max_fidelity`` if not given.

        Raises:
            ValueError: If the task doesn't fit the surrogate, or a fidelity is not ahead of its curve.
        """
        self.card.check_task(task)
        inputs = torch.from_numpy(self.inputs(task, configurations, curves, fidelities, lengths))
        if self._given is None:
            self._given = self.gp.condition(self.support_inputs, self.standardize(self.support_latent))
        mean, variance = self.gp.posterior(self._given, inputs)
        scale = self.encoder.latent_scale
        return scale.inverse(mean.unsqueeze(-1)).squeeze(-1).numpy(), (variance.sqrt() * scale.std).numpy()

    def predict_widened(
        self,
        task: TaskInfo,
        configurations: Sequence[Configuration],
        fidelities: Sequence[int],
        lengths: Sequence[int] | None = None,
    ) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        """What people are told before a trial starts: ``predict`` with standard deviations times ``temperature``."""
        mean, std = self.predict(task, configurations, [()] * len(configurations), fidelities, lengths)
        return mean, float(self.temperature) * std

    def inputs(
        self,
        task: TaskInfo,
        configurations: Sequence[Configuration],
        curves: Sequence[Sequence[float]],
        fidelities: Sequence[int],
        lengths: Sequence[int] | None = None,
    ) -> Float[np.ndarray, "N W"]:
        """Points as the network takes them; arguments and errors as of ``predict``."""
        seen = np.array([len(curve) for curve in curves], dtype=np.int64)
        targets = np.array(fidelities, dtype=np.int64)
        own = np.full(len(seen), task.max_fidelity) if lengths is None else np.array(lengths, dtype=np.int64)
        wrong = np.flatnonzero((targets <= seen) | (targets > own))
        if wrong.size:
            target, known, end = (int(values[wrong[0]]) for values in (targets, seen, own))
            raise ValueError(
                f"Fidelity {target} was asked for a curve of {known} slices of task {task.name!r}, whose full training "
                f"has {end}, but only slices still to come can be predicted. Ask for {known + 1} to {end}, or leave "
                "finished trials out."
            )
        scores = np.zeros((len(curves), own.max(initial=1)))
        for i, curve in enumerate(curves):
            scores[i, : len(curve)] = curve
        latents = to_latent(scores, task.zero_shot_score)
        places = {c: place for place, c in enumerate(dict.fromkeys(configurations))}  # encoding takes the most time
        encoded = self.card.encode(list(places))[np.array([places[c] for c in configurations], dtype=np.int64)]
        return self.card.layout.inputs(task, encoded, latents, seen, targets, own)
