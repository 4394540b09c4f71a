import torch

from lightning_quicktune.metadataset import latent
from lightning_quicktune.surrogate import scale
from lightning_quicktune.surrogate.scale import Standardizer, cut_off


def test_the_latent_scale_is_that_of_the_meta_dataset():
    assert scale.to_latent is latent.to_latent
    assert scale.to_score is latent.to_score


def test_standardised_values_have_mean_0_and_std_1_and_come_back():
    values = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 4 + 7
    standardizer = Standardizer(3)
    standardizer.fit(values)
    standard = standardizer(values)
    torch.testing.assert_close(standard.mean(0), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(standard.std(0, correction=0), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(standardizer.inverse(standard), values)


def test_a_constant_column_keeps_its_scale():
    standardizer = Standardizer(1)
    standardizer.fit(torch.full((4, 1), 3.0, dtype=torch.float64))
    assert float(standardizer(torch.tensor([[5.0]], dtype=torch.float64))) == 2.0


def test_unusual_inputs_are_cut_off():
    assert cut_off(torch.tensor([-100.0, 1.0, 100.0])).tolist() == [-5.0, 1.0, 5.0]
