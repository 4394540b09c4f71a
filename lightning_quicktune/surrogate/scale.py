"""Scales that make tasks comparable: latent scores, and standardised columns."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_quicktune.metadataset.latent import to_latent, to_score

__all__ = ["Standardizer", "to_latent", "to_score"]

REACH = 5.0  # standard deviations at which inputs of an unusual task are cut off


class Standardizer(nn.Module):
    """Shifts and scales each column to mean 0 and standard deviation 1, as fitted on the training tasks.

    Args:
        n_columns: How many columns.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_columns, dtype=torch.float64))
        self.register_buffer("std", torch.ones(n_columns, dtype=torch.float64))

    def fit(self, values: Float[Tensor, "N C"]) -> None:
        """Takes mean and standard deviation from ``values``; a constant column keeps its scale.

        Args:
            values: Rows of the training tasks, without missing values.
        """
        std = values.std(dim=0, correction=0)
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(torch.where(std > 1e-8, std, torch.ones_like(std)))

    def forward(self, values: Float[Tensor, "*shape C"]) -> Float[Tensor, "*shape C"]:
        """Standardised values."""
        return (values - self.mean) / self.std

    def inverse(self, values: Float[Tensor, "*shape C"]) -> Float[Tensor, "*shape C"]:
        """Values on the original scale."""
        return values * self.std + self.mean


def cut_off(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Limits standardised inputs to ``REACH``, so that an unusual task doesn't lead a network far from what it saw."""
    return values.clamp(-REACH, REACH)
