"""The trained cost surrogate, without the training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_quicktune.surrogate.card import SurrogateCard
from lightning_quicktune.surrogate.encoder import mlp
from lightning_quicktune.surrogate.scale import Standardizer, cut_off
from lightning_quicktune.types import Configuration, TaskInfo


class CostModel(nn.Module):
    """Predicts the seconds of a slice from the configuration and the task.

    It learns the logarithm of a slice's seconds per record in units of the reference step, so that the number of
    records and the speed of the device are accounted for exactly, and never yields a negative cost.

    Args:
        card: What the surrogate was made for.
    """

    def __init__(self, card: SurrogateCard) -> None:
        super().__init__()
        self.card = card
        self.task_scale = Standardizer(card.layout.n_task)
        self.cost_scale = Standardizer(1)
        self.network = mlp(card.layout.n_configuration + card.layout.n_task, card.hidden, 1)

    def forward(self, inputs: Float[Tensor, "N W"]) -> Float[Tensor, " N"]:
        """Logarithm of each point's cost, in reference steps per record.

        Args:
            inputs: Points, laid out as ``card.layout`` says; curve and fidelities are not used.
        """
        n_configuration, n_task = self.card.layout.n_configuration, self.card.layout.n_task
        configuration, task = inputs[:, :n_configuration], inputs[:, n_configuration : n_configuration + n_task]
        features = torch.cat([2.0 * configuration - 1.0, cut_off(self.task_scale(task))], dim=1)
        return self.cost_scale.inverse(self.network(features)).squeeze(-1)

    @torch.no_grad()
    def predict(
        self, task: TaskInfo, configurations: Sequence[Configuration], reference_step_s: float
    ) -> Float[np.ndarray, " N"]:
        """See ``CostPredictor``.

        Args:
            task: Record of the task.
            configurations: What would be trained.
            reference_step_s: Seconds of the reference step on the device that would train.

        Raises:
            ValueError: If the task doesn't fit the surrogate, or ``reference_step_s`` is not above 0.
        """
        self.card.check_task(task)
        if not reference_step_s > 0:
            raise ValueError(
                f"`reference_step_s` is {reference_step_s}, but costs are predicted in multiples of it. "
                "Time the reference step on the device that will train, and give its seconds."
            )
        seconds = self.forward(self.inputs(task, configurations)).exp() * reference_step_s * task.records_per_slice
        return seconds.numpy()

    def inputs(self, task: TaskInfo, configurations: Sequence[Configuration]) -> Float[Tensor, "N W"]:
        """Points as the network takes them.

        Args:
            task: Record of the task.
            configurations: What would be trained.
        """
        n = len(configurations)
        return torch.from_numpy(
            self.card.layout.inputs(
                task,
                self.card.encode(configurations),
                np.zeros((n, task.max_fidelity)),
                np.zeros(n, dtype=np.int64),
                np.ones(n, dtype=np.int64),
            )
        )
