"""Steps of many members at once are those of each one's own optimizer."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from lightning_quicktune.finetune.adafactor import Adafactor
from lightning_quicktune.finetune.cohort.rules import rule_of

CASES = [
    (AdamW, [{"lr": 1e-2, "weight_decay": 0.1}, {"lr": 3e-3, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.0}]),
    (SGD, [{"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, {"lr": 0.03}]),
    (SGD, [{"lr": 0.1, "momentum": 0.9, "nesterov": True}, {"lr": 0.1, "momentum": 0.5}]),
    (Adafactor, [{"lr": 0.1, "weight_decay": 0.3}, {"lr": 0.5, "beta2_decay": -0.5, "clip_threshold": 2.0}]),
]
RANKS, SIZE, PADDED = (2, 3), 5, 4


def own(tensor, kind, k):
    """A member's own weight in a segment of one module, in the shape that its optimizer knows."""
    if kind == "magnitude":
        return tensor[0, k]
    return tensor[0, k, : RANKS[k]] if kind == "a" else tensor[0, k, : RANKS[k]].T


@pytest.mark.parametrize("kind", ["a", "b", "magnitude"])
@pytest.mark.parametrize(("optimizer", "settings"), CASES)
def test_weights_and_state_after_five_steps_are_the_same(optimizer, settings, kind):
    torch.manual_seed(0)
    shape = (1, 2, SIZE) if kind == "magnitude" else (1, 2, PADDED, SIZE)
    weights = torch.zeros(shape, dtype=torch.float64)
    for k in range(2):
        own(weights, kind, k).copy_(torch.randn_like(own(weights, kind, k)))
    alone = [nn.Parameter(own(weights, kind, k).clone()) for k in range(2)]
    optimizers = [optimizer([weight], **options) for weight, options in zip(alone, settings, strict=True)]
    rule = rule_of(optimizers[0])
    state = rule.new_state(weights)
    ranks = torch.tensor(RANKS, dtype=torch.float64)
    spread = (-1, *(1,) * (weights.ndim - 2))
    for step in range(1, 6):
        gradients = torch.zeros_like(weights)
        for k, weight in enumerate(alone):
            weight.grad = torch.randn_like(weight)
            own(gradients, kind, k).copy_(weight.grad)
            optimizers[k].step()
        rows = [rule.numbers(o.param_groups[0], step) for o in optimizers]
        numbers = {n: torch.tensor([row[n] for row in rows], dtype=torch.float64).view(spread) for n in rule.settings}
        rule.move(kind, weights, gradients, state, numbers | {"rank": ranks.view(spread)})
    for k, weight in enumerate(alone):
        torch.testing.assert_close(own(weights, kind, k), weight.data, atol=1e-12, rtol=1e-10)
        names = [n for n in rule.names(kind, optimizers[k].param_groups[0]) if n != "step"]
        theirs = {n: value for n, value in optimizers[k].state[weight].items() if n != "step" and value is not None}
        assert sorted(names) == sorted(theirs)
        for name, kept in zip(names, state, strict=False):
            torch.testing.assert_close(own(kept, kind, k), theirs[name], atol=1e-12, rtol=1e-10)
    if kind != "magnitude":
        assert not weights[0, 0, RANKS[0] :].any()  # padding stays 0
        assert not weights[0, 1, RANKS[1] :].any()


@pytest.mark.parametrize(
    "optimizer",
    [
        AdamW([nn.Parameter(torch.zeros(1))], amsgrad=True),
        SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9, dampening=0.1),
        Adam([nn.Parameter(torch.zeros(1))]),
    ],
)
def test_what_no_rule_does_steps_by_itself(optimizer):
    assert rule_of(optimizer) is None
