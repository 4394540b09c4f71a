"""The deep-kernel Gaussian process."""

import math
from typing import NamedTuple

import gpytorch
import torch
from gpytorch.constraints import GreaterThan
from gpytorch.distributions import MultivariateNormal
from gpytorch.kernels import MaternKernel, ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.means import ConstantMean
from jaxtyping import Float
from torch import Tensor, nn

MIN_NOISE = 1e-4  # keeps the Gram matrix of near-duplicate points regular
INITIAL_NOISE = 0.05  # of standardised targets: most of their variance is to be explained


class Conditioned(NamedTuple):
    """The process given its support points; computed once, asked often.

    Args:
        features: Features of the support points, shape ``(S, features)``.
        cholesky: Lower Cholesky factor of their noisy covariance, shape ``(S, S)``.
        weights: Solution of covariance x weights = targets - mean, shape ``(S,)``.
    """

    features: Tensor
    cholesky: Tensor
    weights: Tensor


class DeepKernelGP(gpytorch.models.ExactGP):  # type: ignore[misc]  # gpytorch has no types
    r"""Gaussian process over learned features of configurations, tasks and learning curves.

    .. math:: k(x, x') = \sigma^2 \, k_{\text{Matern-5/2}}(\phi_\theta(x), \phi_\theta(x'))

    Works in float64 on standardised targets. The conditioning is written out here, so that training and prediction
    share it and its factorisation can be kept.

    Args:
        encoder: The feature map, ``(N, W) -> (N, features)``, in float64.

    References:
        Wilson, Hu, Salakhutdinov and Xing (2016), Deep Kernel Learning.
    """

    def __init__(self, encoder: nn.Module) -> None:
        likelihood = GaussianLikelihood(noise_constraint=GreaterThan(MIN_NOISE))
        super().__init__(None, None, likelihood)
        likelihood.noise = INITIAL_NOISE
        self.encoder = encoder
        self.mean = ConstantMean()
        self.kernel = ScaleKernel(MaternKernel(nu=2.5))
        self.kernel.outputscale = 1.0
        self.double()

    def forward(self, inputs: Tensor) -> MultivariateNormal:
        """Prior over the latent scores of ``inputs``, shape ``(N, W)``."""
        features = self.encoder(inputs)
        return MultivariateNormal(self.mean(features), self.kernel(features))

    @property
    def noise(self) -> Tensor:
        """Variance of the observation noise, shape ``(1,)``."""
        return self.likelihood.noise  # type: ignore[no-any-return]

    def condition(self, inputs: Float[Tensor, "S W"], targets: Float[Tensor, " S"]) -> Conditioned:
        """Factorises the covariance of the support points.

        Args:
            inputs: Support points.
            targets: Their standardised latent scores.

        Raises:
            RuntimeError: If the covariance can't be factorised.
        """
        features = self.encoder(inputs)
        covariance = self.kernel(features).to_dense() + self.noise * torch.eye(len(inputs)).to(features)
        cholesky, failure = torch.linalg.cholesky_ex(covariance)
        if int(failure):
            raise RuntimeError(
                f"The covariance of {len(inputs)} support points can't be factorised (row {int(failure)}): the "
                "surrogate's weights are not finite, or its features collapsed. "
                "Train it again with a lower `model.init_args.lr`."
            )
        residual = (targets - self.mean(features)).unsqueeze(-1)
        return Conditioned(features, cholesky, torch.cholesky_solve(residual, cholesky).squeeze(-1))

    def posterior(
        self, given: Conditioned, inputs: Float[Tensor, "N W"]
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
        """Mean and variance of a noisy observation at each point, given the support.

        Args:
            given: What ``condition`` returned.
            inputs: Points to predict.
        """
        features = self.encoder(inputs)
        cross = self.kernel(features, given.features).to_dense()  # (N, S)
        whitened = torch.linalg.solve_triangular(given.cholesky, cross.T, upper=False)  # (S, N)
        mean = self.mean(features) + cross @ given.weights
        variance = self.kernel(features, diag=True) - whitened.square().sum(dim=0)
        return mean, variance.clamp_min(0.0) + self.noise


def negative_log_density(
    targets: Float[Tensor, " N"], mean: Float[Tensor, " N"], variance: Float[Tensor, " N"]
) -> Float[Tensor, ""]:
    """Mean negative logarithm of the normal density of each target on its own.

    Args:
        targets: What was observed.
        mean: Predicted means.
        variance: Predicted variances, above 0.
    """
    return 0.5 * ((targets - mean).square() / variance + variance.log() + math.log(2.0 * math.pi)).mean()
