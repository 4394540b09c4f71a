"""The size of a cohort that fits: what the longest batch takes of memory, against what is free."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_quicktune.compose import FitConfig
from lightning_quicktune.data.collate import padded_batch
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.loss import next_token_loss, on_device, target_logits
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import task_objects
from lightning_quicktune.trials.trainer import plain_trainer

MOST = 64  # beyond that a card is full, and what is finished comes later
_SHARE = 0.8  # of the free memory; the rest is for what allocators waste and for scoring
_STATES = 4  # numbers for each trained weight: itself, its gradient and two means of the optimizer


def fitting_cohort(plans: Sequence[TrialPlan], n_processes: int) -> int:
    """Trials of a task that it pays to train at once, as far as one of them tells; at least 1, at most ``MOST``.

    On a CPU that is one: it has nothing to wait for, and many trials take longer at once than one after the other
    (``tools/benchmarks/cohorts.py``). Elsewhere memory tells: the trial with the largest batch and the highest rank
    reads its longest records once, forward and backward.

    Args:
        plans: Trials of one task, at least one.
        n_processes: Processes that share the memory.
    """
    if not pays_on(plans[0].resolved):
        return 1
    largest = max(plans, key=lambda plan: _size(plan.resolved))
    try:
        need, free = _measure(largest.resolved)
    except (torch.cuda.OutOfMemoryError, MemoryError):
        return 1
    return max(1, min(MOST, len(plans), int(_SHARE * free / n_processes / need)))


def pays_on(fit: FitConfig) -> bool:
    """Whether the device of a trial waits for kernels to be launched, so that several trials at once save time.

    Args:
        fit: The trial's, with its configuration.
    """
    device: torch.device = plain_trainer(fit).strategy.root_device
    return device.type != "cpu"


def _size(fit: FitConfig) -> tuple[int, int]:
    """Records in memory at once, then rank."""
    return int(fit["data"]["init_args"].get("batch_size", 0)), lora_rank(fit)


def lora_rank(fit: FitConfig) -> int:
    """Rank of a trial's adapter, 0 if its fit YAML names none.

    Args:
        fit: The trial's, with its configuration.
    """
    return int(fit["model"]["init_args"]["lora"].get("rank", 0))


def _measure(fit: FitConfig) -> tuple[int, int]:
    """Bytes that one trial needs beside the base model, and bytes that are free."""
    trainer = plain_trainer(fit)
    device: torch.device = trainer.strategy.root_device
    module, data = task_objects(fit)
    longest = sorted(data.tokens("train"), key=lambda record: -record.n_tokens)[: data.batch_size]
    batch = on_device(padded_batch(longest, [True] * len(longest), 0, module.layout), device)
    module.configure_model()
    try:
        module.to(device)
        with trainer.strategy.precision_plugin.forward_context():
            activations = _peak_bytes(lambda: _step(module, batch), module, device)
        trained = sum(p.numel() * p.element_size() for p in module.parameters() if p.requires_grad)
    finally:
        module.zero_grad()
        module.release()
    return activations + _STATES * trained, _free_bytes(device)


def _step(module: Finetuner, batch: dict[str, Any]) -> None:
    """One forward and backward pass."""
    targets = target_logits(module.model, batch)
    loss_sum, _ = next_token_loss(targets.logits, targets.labels)
    torch.autograd.backward(loss_sum)


def _peak_bytes(step: Callable[[], None], module: Finetuner, device: torch.device) -> int:
    """Bytes that a step takes at once; on a CPU those that it keeps for its backward pass, which is nearly all."""
    if device.type == "cuda":
        step()  # the first one brings workspaces of libraries with it
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    kept: dict[int, int] = {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    return max(sum(kept.values()), 1)


def _free_bytes(device: torch.device) -> int:
    """Memory that nothing uses, of the device or of the machine."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info(device)[0])
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").is_file() else []
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return available[0] if available else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
