"""Products of what dropout leaves have the gradients that autograd finds, and keep nothing but their inputs."""

import pytest
import torch

from lightning_quicktune.finetune.cohort import dropped
from lightning_quicktune.finetune.cohort.dropped import dropped_products
from lightning_quicktune.finetune.cohort.layout import Matrices
from lightning_quicktune.finetune.cohort.part import AdapterPart, Dropout, MemberPart
from lightning_quicktune.finetune.noise import RecordNoise

N, ROWS, TOKENS, SIZE, OUT, RANK = 3, 2, 5, 24, 16, 4


@pytest.fixture
def noise():
    return RecordNoise(torch.arange(N * ROWS, dtype=torch.int32))


def drawn(dtype):
    draw = torch.Generator().manual_seed(0)
    shapes = [(N, ROWS * TOKENS, SIZE), (N, RANK, SIZE), (OUT, SIZE)]
    x, a, weight = (torch.randn(shape, generator=draw).to(dtype) for shape in shapes)
    return x.requires_grad_(), a.requires_grad_(), weight


@pytest.mark.parametrize("with_base", [False, True])
@pytest.mark.parametrize("scarce", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_products_and_gradients_are_those_of_dropout_and_a_product(noise, dtype, scarce, with_base, monkeypatch):
    monkeypatch.setattr(dropped, "is_scarce", lambda x: scarce)
    kept = Dropout([0.0, 0.3, 0.6], torch.device("cpu")).kept(noise, "q_proj", slice(None))
    x, a, weight = drawn(dtype)
    left = x * kept(x)
    expected = [left @ a.transpose(1, 2), *([left @ weight.T] if with_base else [])]
    found = [p for p in dropped_products(x, a, kept, (lambda: weight) if with_base else None) if p is not None]
    tolerance = {"rtol": 2e-2, "atol": 0.3} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(found, expected, **tolerance)
    ours, theirs = (torch.autograd.grad(sum(p.square().sum() for p in ps), (x, a)) for ps in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=tolerance["rtol"], atol=20 * tolerance["atol"])
    assert 0.2 < (ours[0] == 0).double().mean() < 0.4


@pytest.mark.parametrize("dora", [False, True])
def test_where_memory_is_scarce_shared_inputs_are_kept_once_with_dropout_as_without(noise, dora, monkeypatch):
    monkeypatch.setattr(dropped, "is_scarce", lambda x: True)

    def kept_bytes(dropout):
        members, (x, a, weight) = [MemberPart(2.0, dropout)] * N, drawn(torch.float32)
        storages = {}

        def keep(tensor):
            storages[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        module = torch.nn.Linear(SIZE, OUT, bias=False).requires_grad_(False)
        b = torch.randn(N, RANK, OUT).requires_grad_()
        weights = Matrices(a, b, torch.ones(N, OUT).requires_grad_() if dora else None)
        out = x.detach() @ weight.T
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            for name in ("q_proj", "k_proj", "v_proj"):
                part = AdapterPart(name, module, 0, members, weights)
                part(x, out, part.dropout.kept(noise, name, slice(None)) if part.dropout.is_on else None)
        return sum(t.untyped_storage().nbytes() for t in storages.values() if t.shape == x.shape)

    assert kept_bytes(0.3) == kept_bytes(0.0) == N * ROWS * TOKENS * SIZE * 4
