"""Trials of one worker share a base model: each leaves it as it was, and is the same as in a process of its own."""

import ctypes
import gc
import hashlib
import mmap
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.optim import SGD, AdamW

from lightning_quicktune.finetune.adafactor import Adafactor
from lightning_quicktune.finetune.base_model import BaseModelSettings, load_base_model
from lightning_quicktune.finetune.lora import LoraSettings, attach_adapter, detach_adapter
from lightning_quicktune.finetune.neftune import embedding_noise
from lightning_quicktune.finetune.optimizers import build_optimizer

STATM = Path("/proc/self/statm")
OPTIMIZERS = {
    "adamw": lambda weights: AdamW(weights, lr=0.01),
    "adafactor": lambda weights: Adafactor(weights, lr=0.01),
    "sgd": lambda weights: SGD(weights, lr=0.1, momentum=0.9),
}
LORAS = {
    "lora": {"dropout": 0.1},
    "rslora": {"variant": "rslora"},
    "dora": {"variant": "dora", "dropout": 0.1},
    "gaussian": {"initialization": "gaussian"},
    "orthogonal": {"initialization": "orthogonal"},
    "pissa": {"initialization": "pissa"},
    "pissa_niter_16": {"initialization": "pissa_niter_16"},
    "olora": {"initialization": "olora"},
    "pissa and dora": {"initialization": "pissa", "variant": "dora"},
}
FURTHER = {
    "adafactor": {"optimizer": "adafactor"},
    "sgd": {"optimizer": "sgd"},
    "lora plus": {"lora_plus_ratio": 8.0},
    "neftune": {"neftune_alpha": 5.0},
    "gradient checkpointing": {"gradient_checkpointing": True},
    "all at once": {
        "lora": LORAS["pissa and dora"],
        "optimizer": "adafactor",
        "lora_plus_ratio": 8.0,
        "neftune_alpha": 5.0,
        "gradient_checkpointing": True,
    },
}
VARIANTS = {**{name: {"lora": lora} for name, lora in LORAS.items()}, **FURTHER}


def digest(tensors):
    """A hash of names and bits."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(name.encode() + tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def train(base, lora=None, optimizer="adamw", lora_plus_ratio=1.0, neftune_alpha=0.0, gradient_checkpointing=False):
    """Trains an adapter for three steps, takes it off, and returns the hash of its weights."""
    torch.manual_seed(1)
    adapted = attach_adapter(base, LoraSettings(rank=4, **(lora or {})), gradient_checkpointing)
    adapted.train()
    steps = build_optimizer(adapted, OPTIMIZERS[optimizer], lora_plus_ratio)
    for step in range(3):
        tokens = (torch.arange(24).view(2, 12) * (step + 3)).remainder(97)
        batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        with embedding_noise(adapted, batch, neftune_alpha):
            adapted(**batch, labels=tokens, use_cache=False).loss.backward()
        steps.step()
        steps.zero_grad()
    trained = digest({name: p for name, p in adapted.named_parameters() if p.requires_grad})
    detach_adapter(adapted)
    return trained


@pytest.fixture(scope="module")
def worker(tiny_phi3):
    """A base model that has been through every variant, and its weights' hash from before."""
    load_base_model.cache_clear()
    base = load_base_model(BaseModelSettings(str(tiny_phi3)))
    before = digest(base.model.state_dict())
    for options in VARIANTS.values():
        train(base, **options)
    yield base, before
    load_base_model.cache_clear()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_trial_in_a_used_worker_equals_one_on_a_freshly_loaded_model_bit_for_bit(worker, tiny_phi3, name):
    base, before = worker
    ours = train(base, **VARIANTS[name])
    assert digest(base.model.state_dict()) == before
    assert not base.model.training
    load_base_model.cache_clear()
    fresh = load_base_model(BaseModelSettings(str(tiny_phi3)))
    assert fresh is not base
    assert train(fresh, **VARIANTS[name]) == ours


def test_every_option_changes_what_is_trained_except_gradient_checkpointing(worker):
    base, _ = worker
    trained = {name: train(base, **options) for name, options in VARIANTS.items()}
    plain = train(base)
    assert trained.pop("gradient checkpointing") == plain
    assert len({*trained.values(), plain}) == len(trained) + 1


def test_rounds_of_attaching_and_taking_off_leave_nothing_in_memory(worker):
    base, _ = worker
    counts = []
    for _ in range(3):  # the first one fills caches of the packages
        for name in ("dora", "all at once"):
            train(base, **VARIANTS[name])
        gc.collect()
        kinds = Counter(map(type, gc.get_objects()))
        held = sum(n for kind, n in kinds.items() if issubclass(kind, (torch.Tensor, torch.nn.Module)))
        counts.append((kinds.total(), held))
    assert counts[2][1] == counts[1][1]
    assert counts[2][0] - counts[1][0] < 50


@pytest.mark.slow
def test_a_trial_in_a_used_worker_equals_one_in_a_fresh_process_bit_for_bit(worker, tiny_phi3):
    base, _ = worker
    words = [sys.executable, __file__, str(tiny_phi3)]
    fresh = subprocess.run(words, capture_output=True, text=True, check=True, timeout=1200).stdout.split()
    assert fresh == [train(base, **options) for options in VARIANTS.values()]


@pytest.mark.slow
def test_200_trials_take_no_more_memory_than_20(worker):
    base, _ = worker
    if not STATM.is_file():
        pytest.skip("the memory of a process is read as Linux tells it")
    heap, resident = ctypes.CDLL("libc.so.6"), []
    for n_trials in (20, 180):
        for n in range(n_trials):
            train(base, **list(VARIANTS.values())[n % len(VARIANTS)])
        gc.collect()
        heap.malloc_trim(0)  # what is free is a matter of chance in a process that ran other tests
        resident.append(int(STATM.read_text().split()[1]) * mmap.PAGESIZE)
    assert resident[1] - resident[0] < 8 * 2**20


if __name__ == "__main__":
    for options in VARIANTS.values():  # each on a model of its own
        load_base_model.cache_clear()
        sys.stdout.write(train(load_base_model(BaseModelSettings(sys.argv[1])), **options) + "\n")
