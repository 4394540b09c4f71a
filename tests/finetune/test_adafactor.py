import pytest
import torch

from lightning_quicktune.finetune.adafactor import Adafactor

SHAPES = ((5, 7), (3,), (2, 4, 3))


def weights():
    return [torch.randn(shape, generator=torch.Generator().manual_seed(i)) for i, shape in enumerate(SHAPES)]


def trained(kind, n_steps=20, scale=1.0, zero=False, **settings):
    params = [(0 * w if zero else w).requires_grad_() for w in weights()]
    optimizer = kind(params, **settings)
    generator = torch.Generator().manual_seed(7)
    for _ in range(n_steps):
        for p in params:
            p.grad = scale * torch.randn(p.shape, generator=generator)
        optimizer.step()
    return [p.detach() for p in params]


@pytest.mark.parametrize("zero", [False, True])
def test_it_is_that_of_torch_where_its_limit_does_not_bind(zero):
    settings = {"lr": 0.05, "weight_decay": 0.2, "eps": (1e-7, 1e-3), "n_steps": 100, "zero": zero}
    for ours, theirs in zip(trained(Adafactor, **settings), trained(torch.optim.Adafactor, **settings), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [1.0, 1e-5])
def test_the_scale_of_gradients_changes_nothing(size):
    for one, other in zip(trained(Adafactor, lr=0.05), trained(Adafactor, lr=0.05, scale=size), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_first_step_is_the_rate_times_the_size_of_the_weights_however_large_the_rate():
    for lr in (0.1, 0.4, 0.9):
        for before, after in zip(weights(), trained(Adafactor, n_steps=1, lr=lr), strict=True):
            moved = (after - before).square().mean().sqrt() / before.square().mean().sqrt()
            assert 0.7 * lr < moved <= 1.001 * lr
    for before, late in zip(
        trained(Adafactor, n_steps=99, lr=0.0), trained(Adafactor, n_steps=99, lr=0.5), strict=True
    ):
        assert (late - before).norm() > 2 * before.norm()  # torch's limit is 0.1 there


def test_weights_of_zero_begin_to_move_and_decay_goes_by_the_rate():
    for moved in trained(Adafactor, n_steps=1, lr=0.5, zero=True):
        assert moved.square().mean().sqrt() == pytest.approx(0.5e-3, rel=0.3)
    for before, after in zip(
        weights(), trained(Adafactor, n_steps=3, scale=0.0, lr=0.5, weight_decay=0.1), strict=True
    ):
        torch.testing.assert_close(after, before * 0.95**3)


def test_weights_without_a_gradient_stay_and_a_closure_is_called():
    left, right = (torch.ones(2, 2, requires_grad=True) for _ in range(2))
    optimizer = Adafactor([left, right], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (2 * left).sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 8.0
    assert torch.equal(right, torch.ones(2, 2))
    assert (left < 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -0.1}, "`lr` of Adafactor is -0.1, but it is at least 0"),
        ({"beta2_decay": 0.8}, "`beta2_decay` of Adafactor is 0.8, but it is at most 0"),
        ({"eps": (0.0, 1e-3)}, r"`eps` of Adafactor is \(0.0, 0.001\), but it is two numbers above 0"),
        ({"clip_threshold": 0.5}, "`clip_threshold` of Adafactor is 0.5, but it is at least 1"),
        ({"weight_decay": -1.0}, "`weight_decay` of Adafactor is -1.0, but it is at least 0"),
    ],
)
def test_a_value_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Adafactor([torch.ones(2)], **settings)
