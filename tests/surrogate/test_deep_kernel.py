import gpytorch
import pytest
import torch
from scipy.stats import norm
from torch import nn

from lightning_quicktune.surrogate.deep_kernel import INITIAL_NOISE, DeepKernelGP, negative_log_density


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(30, 3, dtype=torch.float64, generator=generator), torch.randn(
        20, dtype=torch.float64, generator=generator
    )


@torch.no_grad()
def test_the_posterior_is_gpytorchs(points):
    inputs, targets = points
    gp = DeepKernelGP(nn.Linear(3, 2))
    mean, variance = gp.posterior(gp.condition(inputs[:20], targets), inputs[20:])
    gp.set_train_data(inputs[:20], targets, strict=False)
    gp.eval()
    with gpytorch.settings.fast_computations(False, False, False):
        reference = gp.likelihood(gp(inputs[20:]))
    torch.testing.assert_close(mean, reference.mean)
    torch.testing.assert_close(variance, reference.variance)


@torch.no_grad()
def test_repeated_points_can_be_factorised(points):
    inputs, targets = points
    gp = DeepKernelGP(nn.Linear(3, 2))
    given = gp.condition(inputs[:1].repeat(20, 1), targets)
    mean, _ = gp.posterior(given, inputs[:1])
    torch.testing.assert_close(mean[0], targets.mean() * 20 / (20 + gp.noise[0]))


@torch.no_grad()
def test_the_noise_starts_low_and_has_a_floor():
    gp = DeepKernelGP(nn.Linear(3, 2))
    assert gp.noise.item() == pytest.approx(INITIAL_NOISE)
    nn.init.constant_(gp.likelihood.noise_covar.raw_noise, -100.0)
    assert gp.noise.item() == pytest.approx(1e-4)


def test_weights_that_are_no_numbers_are_reported(points):
    gp = DeepKernelGP(nn.Linear(3, 2))
    nn.init.constant_(gp.encoder.weight, float("inf"))
    with pytest.raises(
        RuntimeError, match=r"covariance of 20 support points can't be factorised.*`model.init_args.lr`"
    ):
        gp.condition(points[0][:20], points[1])


def test_the_density_is_scipys():
    targets, mean, variance = torch.tensor([0.1, 2.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.5, 4.0])
    reference = -norm.logpdf(targets, mean, variance.sqrt()).mean()
    assert float(negative_log_density(targets, mean, variance)) == pytest.approx(reference, rel=1e-6)
