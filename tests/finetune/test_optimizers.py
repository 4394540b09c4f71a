import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, AdamW, Muon, SparseAdam

from lightning_quicktune.finetune.adafactor import Adafactor
from lightning_quicktune.finetune.lora import LoraSettings, attach_adapter, detach_adapter
from lightning_quicktune.finetune.optimizers import build_optimizer
from lightning_quicktune.finetune.schedule import ScheduleSettings

FACTORIES = {
    "adamw": lambda weights: AdamW(weights, lr=0.01, weight_decay=0.1),
    "adafactor": lambda weights: Adafactor(weights, lr=0.01),
    "torch's adafactor": lambda weights: torch.optim.Adafactor(weights, lr=0.01),
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


def step_by_step(model, factory, ratio, n_steps):
    """How far each step moved each weight, from the same weights and with the same gradients in each step."""
    weights = trainable(model)
    start = {name: p.detach().clone() for name, p in weights.items()}
    optimizer = build_optimizer(model, factory, ratio)
    for _ in range(n_steps):
        for number, (name, p) in enumerate(weights.items()):
            p.data = start[name].clone()
            p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(number)).to(p)
        optimizer.step()
    moved = {name: p.detach() - start[name] for name, p in weights.items()}
    for name, p in weights.items():
        p.data = start[name].clone()
    return moved


@pytest.mark.parametrize("kind", [AdamW, SGD, Adafactor, torch.optim.Adafactor, torch.optim.Rprop])
@pytest.mark.parametrize("n_steps", [1, 500])
def test_the_ratio_is_how_far_b_matrices_move_whatever_the_optimizer_does_with_its_rate(adapted, kind, n_steps):
    plain, further = (step_by_step(adapted, lambda w: kind(w, lr=0.05), ratio, n_steps) for ratio in (1.0, 8.0))
    for name, moved in plain.items():
        scale = 8.0 if "lora_B" in name else 1.0
        assert moved.abs().max() > 0
        torch.testing.assert_close(further[name], scale * moved, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [AdamW, Adafactor])
def test_the_ratio_is_that_of_the_rates_where_steps_are_proportional_to_them(adapted, kind):
    faster = step_by_step(adapted, lambda w: kind(w, lr=0.08, weight_decay=0.5), 1.0, 3)
    scaled = step_by_step(adapted, lambda w: kind(w, lr=0.01, weight_decay=0.5), 8.0, 3)
    b_matrices = [name for name in scaled if "lora_B" in name]
    for name in b_matrices:
        torch.testing.assert_close(scaled[name], faster[name], rtol=1e-4, atol=1e-7)
    assert b_matrices


@pytest.mark.parametrize("name", FACTORIES)
def test_one_schedule_moves_the_rate_of_all_groups(adapted, name):
    optimizer = build_optimizer(adapted, FACTORIES[name], 8.0)
    scheduler = ScheduleSettings("cosine", warmup_fraction=0.25).build(optimizer, 8)
    others, b_matrices, *magnitudes = optimizer.param_groups
    assert {id(p) for p in b_matrices["params"]} == {id(p) for n, p in trainable(adapted).items() if "lora_B" in n}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trainable(adapted))
    for _ in range(7):
        optimizer.step()
        scheduler.step()
        assert others["lr"] > 0
        assert all(group["lr"] == others["lr"] for group in (b_matrices, *magnitudes))
    assert (b_matrices["update_scale"], "update_scale" in others) == (8.0, False)


def test_a_search_with_the_ratio_goes_on_from_its_state_bit_by_bit(adapted):
    def run(n_steps, optimizer, first=0):
        for number in range(first, first + n_steps):
            for p in trainable(adapted).values():
                p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(number))
            optimizer.step()

    def factory(weights):
        return Adafactor(weights, lr=0.05, weight_decay=0.1)

    start = {name: p.detach().clone() for name, p in trainable(adapted).items()}
    run(6, build_optimizer(adapted, factory, 4.0))
    whole = {name: p.detach().clone() for name, p in trainable(adapted).items()}
    for name, p in trainable(adapted).items():
        p.data = start[name].clone()
    before = build_optimizer(adapted, factory, 4.0)
    run(3, before)
    after = build_optimizer(adapted, factory, 4.0)
    after.load_state_dict(before.state_dict())
    run(3, after, first=3)
    assert all(torch.equal(p, whole[name]) for name, p in trainable(adapted).items())


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [AdamW, Adafactor, torch.optim.Adafactor])
def test_a_step_on_a_gpu_is_one_of_all_weights_together_and_equal(adapted, kind):
    on_cpu = step_by_step(adapted, lambda w: kind(w, lr=0.05), 8.0, 20)
    adapted.to("cuda")
    group = build_optimizer(adapted, lambda w: kind(w, lr=0.05), 8.0).param_groups[0]
    assert group.get("foreach", True) is True
    on_gpu = step_by_step(adapted, lambda w: kind(w, lr=0.05), 8.0, 20)
    for name, moved in on_gpu.items():
        torch.testing.assert_close(moved.cpu(), on_cpu[name], rtol=1e-3, atol=1e-6)
    adapted.to("cpu")


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


class WithoutClosure(SGD):
    def step(self):
        """As an optimizer for a training loop written out by hand."""


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (LBFGS, r"LBFGS can't train this adapter: it computes the loss several times a step"),
        (WithoutClosure, r"WithoutClosure can't train this adapter: its `step` takes no `closure`"),
        (lambda w: AdamW(w, fused=True, foreach=True), r"can't train this adapter: `fused` and `foreach` .*AdamW`"),
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
