"""The feature map of the deep kernel: a small network per group of inputs."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_quicktune.metadataset.layout import Layout
from lightning_quicktune.surrogate.scale import Standardizer, cut_off


class FeatureEncoder(nn.Module):
    """Encodes configuration, task, curve so far and fidelities, each by a network of its own, and joins them.

    Works in float64, as the Gaussian process behind it does. Unseen parts of a curve enter as 0 beside a mask that says
    so, and fidelities are explicit inputs.

    Args:
        layout: Which columns of the input hold what.
        hidden: Width of each network.
        features: Width of the output.
    """

    def __init__(self, layout: Layout, hidden: int, features: int) -> None:
        super().__init__()
        self.layout = layout
        self.task_scale = Standardizer(layout.n_task)
        self.latent_scale = Standardizer(1)
        # A curve enters with its mask; last and best latent score say in two numbers what matters most of it.
        widths = (layout.n_configuration, layout.n_task, 2 * layout.max_fidelity, 4)
        self.groups = nn.ModuleList(mlp(width, hidden, hidden) for width in widths)
        self.head = mlp(len(widths) * hidden, hidden, features)
        self.double()

    def forward(self, inputs: Float[Tensor, "N W"]) -> Float[Tensor, "N features"]:
        """Features of each point.

        Args:
            inputs: Points, laid out as ``layout`` says.
        """
        configuration, task, curve, seen, fidelities = torch.split(inputs, list(self.layout.widths), dim=1)
        curve = self.latent_scale(curve.unsqueeze(-1)).squeeze(-1) * seen
        parts = (
            2.0 * configuration - 1.0,
            cut_off(self.task_scale(task)),
            torch.cat([curve, seen], dim=1),
            torch.cat([fidelities, last_and_best(curve, seen)], dim=1),
        )
        encoded = [group(part) for group, part in zip(self.groups, parts, strict=True)]
        return self.head(torch.cat(encoded, dim=1))  # type: ignore[no-any-return]


def last_and_best(curve: Float[Tensor, "N F"], seen: Float[Tensor, "N F"]) -> Float[Tensor, "N 2"]:
    """The latest and the highest value of each curve so far, 0 where nothing was seen.

    Args:
        curve: Learning curves.
        seen: 1 where a value was seen, else 0; a short training has none at its first shares.
    """
    order = torch.arange(1, curve.shape[1] + 1).to(seen)
    last = curve.gather(1, (order * seen).argmax(dim=1, keepdim=True))
    best = curve.masked_fill(seen == 0, -torch.inf).amax(dim=1, keepdim=True)
    return torch.where(seen.any(dim=1, keepdim=True), torch.cat([last, best], dim=1), 0.0)


def mlp(n_inputs: int, hidden: int, n_outputs: int) -> nn.Sequential:
    """A network of one hidden layer in float64.

    Args:
        n_inputs: Width of the input.
        hidden: Width of the hidden layer.
        n_outputs: Width of the output.
    """
    return nn.Sequential(nn.Linear(n_inputs, hidden), nn.SiLU(), nn.Linear(hidden, n_outputs)).double()
