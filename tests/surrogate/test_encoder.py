import pytest
import torch

from lightning_quicktune.metadataset.layout import Layout
from lightning_quicktune.surrogate.encoder import FeatureEncoder, last_and_best

LAYOUT = Layout(n_configuration=5, meta_features=("size",), max_fidelity=3)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return FeatureEncoder(LAYOUT, hidden=8, features=4)


def row(seen=0, curve=(0.0, 0.0, 0.0)):
    mask = [float(i < seen) for i in range(3)]
    return torch.tensor([[0.0, 0, 1, 0, 0, 1, 2, 3, *curve, *mask, seen / 3, 1]], dtype=torch.float64)


@pytest.mark.parametrize("column", range(LAYOUT.width))
def test_every_column_moves_the_features(encoder, column):
    changed = row(seen=3, curve=(0.1, 0.2, 0.3))
    before = encoder(changed)
    changed[0, column] = 0.7
    assert not torch.allclose(encoder(changed), before)


def test_a_score_of_0_differs_from_no_score(encoder):
    first, second = row(seen=0), row(seen=1)
    second[:, -2:] = first[:, -2:]  # the same fidelities: the mask alone differs
    assert not torch.allclose(encoder(first), encoder(second))


def test_what_was_not_seen_has_no_influence_on_any_scale(encoder):
    encoder.latent_scale.fit(torch.tensor([[3.0], [5.0]], dtype=torch.float64))
    assert torch.equal(encoder(row(seen=1, curve=(1.0, 0, 0))), encoder(row(seen=1, curve=(1.0, 9.0, 0))))


def test_last_and_best_of_a_curve():
    curve = torch.tensor([[0.0, 0, 0], [-2, 0, 0], [-1, -3, 0], [0, -2, 0], [0, -1, -3]])
    seen = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1]])  # short trainings begin late
    assert last_and_best(curve, seen).tolist() == [[0, 0], [-2, -2], [-3, -1], [-2, -2], [-3, -1]]
