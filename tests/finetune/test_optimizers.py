import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adafactor, AdamW, Muon, SparseAdam

from lightning_quicktune.finetune.lora import LoraSettings, attach_adapter, detach_adapter
from lightning_quicktune.finetune.optimizers import build_optimizer
from lightning_quicktune.finetune.schedule import ScheduleSettings

FACTORIES = {
    "adamw": lambda weights: AdamW(weights, lr=0.01, weight_decay=0.1),
    "adafactor": lambda weights: Adafactor(weights, lr=0.01),
    "sgd": lambda weights: SGD(weights, lr=0.01, momentum=0.9),
}


@pytest.fixture
def adapted(base):
    adapted = attach_adapter(base, LoraSettings(rank=4, variant="dora"))
    yield adapted
    detach_adapter(adapted)


def trainable(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", FACTORIES)
def test_without_a_ratio_all_trainable_weights_have_one_rate(adapted, name):
    group, *further = build_optimizer(adapted, FACTORIES[name], 1.0).param_groups
    together = [id(p) for each in (group, *further) for p in each["params"]]
    assert sorted(together) == sorted(id(p) for p in trainable(adapted).values())
    assert {each["lr"] for each in (group, *further)} == {0.01}
    assert len(further) == (name == "adamw")  # the only one that decays weights


@pytest.mark.parametrize("name", FACTORIES)
def test_the_ratio_multiplies_the_rate_of_b_matrices_alone_under_any_schedule(adapted, name):
    optimizer = build_optimizer(adapted, FACTORIES[name], 8.0)
    scheduler = ScheduleSettings("cosine", warmup_fraction=0.25).build(optimizer, 8)
    others, b_matrices, *magnitudes = optimizer.param_groups
    assert {id(p) for p in b_matrices["params"]} == {id(p) for n, p in trainable(adapted).items() if "lora_B" in n}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trainable(adapted))
    for _ in range(7):
        optimizer.step()
        scheduler.step()
        assert b_matrices["lr"] == pytest.approx(8 * others["lr"], rel=1e-12)
        assert others["lr"] > 0
        assert all(group["lr"] == others["lr"] for group in magnitudes)
    assert all(others[key] == b_matrices[key] for key in others.keys() - {"params", "lr", "initial_lr"})


def test_a_step_of_sgd_moves_b_by_the_ratio_times_its_gradient(adapted):
    weights = trainable(adapted)
    before = {name: p.detach().clone() for name, p in weights.items()}
    optimizer = build_optimizer(adapted, lambda groups: SGD(groups, lr=0.5), 4.0)
    for p in weights.values():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for name, p in weights.items():
        torch.testing.assert_close(before[name] - p, torch.full_like(p, 2.0 if "lora_B" in name else 0.5))


def test_a_ratio_without_b_matrices_is_an_error():
    with pytest.raises(
        ValueError, match=r"ratio is 2.0, .* no trainable B matrix .*`model.init_args.lora_plus_ratio: 1`"
    ):
        build_optimizer(nn.Linear(2, 2), FACTORIES["sgd"], 2.0)


@pytest.mark.parametrize("ratio", [1.0, 4.0])
@pytest.mark.parametrize("kind", [AdamW, SGD, Adafactor])
def test_decay_leaves_magnitudes_and_so_the_base_model_as_they_are(adapted, kind, ratio):
    before = {name: p.detach().clone() for name, p in trainable(adapted).items()}
    optimizer = build_optimizer(adapted, lambda groups: kind(groups, lr=0.02, weight_decay=0.3), ratio)
    for _ in range(100):
        for p in trainable(adapted).values():
            p.grad = torch.zeros_like(p)
        optimizer.step()
    for name, p in trainable(adapted).items():
        if "magnitude" in name:
            assert torch.equal(p, before[name])
        elif "lora_A" in name:
            assert p.norm() < 0.9 * before[name].norm()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (LBFGS, r"LBFGS can't train this adapter: it computes the loss several times a step"),
        (SparseAdam, r"SparseAdam can't train this adapter: it takes sparse gradients alone"),
        (lambda weights: Muon(weights, lr=0.01), r"can't train this adapter: Muon only supports 2D .*AdamW`"),
        (lambda weights: SGD(weights, lr=-1.0), r"Invalid learning rate: -1.0.*`model.init_args.optimizer.class_path`"),
    ],
)
def test_an_optimizer_that_can_not_be_is_said_in_one_sentence(adapted, factory, message):
    with pytest.raises(ValueError, match=message):
        build_optimizer(adapted, factory, 1.0)


def test_muon_trains_an_adapter_of_matrices(base):
    adapted = attach_adapter(base, LoraSettings(rank=4))
    optimizer = build_optimizer(adapted, lambda weights: Muon(weights, lr=0.01), 1.0)
    for p in trainable(adapted).values():
        p.grad = torch.ones_like(p)
    optimizer.step()
    detach_adapter(adapted)
