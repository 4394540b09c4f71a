"""The environment of a worker's process: its threads, its GPUs, and nothing of whoever started the driver."""

from __future__ import annotations

import os

import torch

# What launchers of several processes tell each of them, which would make a worker one of theirs.
_OF_LAUNCHERS = ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_OF_SLURM = "SLURM_NTASKS"  # by which Lightning takes it that Slurm has started a process for each device
_GPUS = "CUDA_VISIBLE_DEVICES"


def environment(number: int, threads: int | None, devices: int = 1) -> dict[str, str]:
    """The environment of a worker.

    Args:
        number: Its number among the workers, from 0; with several GPUs, each worker has its own as far as they go.
        threads: Threads of PyTorch; none for as many as it takes by itself.
        devices: Devices that train each of its trials together.
    """
    found = {k: v for k, v in os.environ.items() if k not in (*_OF_LAUNCHERS, _OF_SLURM)}
    if threads is not None:
        found["OMP_NUM_THREADS"] = str(threads)
    gpus = visible_gpus(number, devices, os.environ.get(_GPUS), torch.cuda.device_count())
    return found if gpus is None else {**found, _GPUS: gpus}


def visible_gpus(number: int, devices: int, visible: str | None, n_gpus: int) -> str | None:
    """Which GPUs a worker sees, as ``CUDA_VISIBLE_DEVICES`` has them; none to leave that alone.

    Args:
        number: Its number among the workers, from 0.
        devices: GPUs that it needs.
        visible: What the driver sees, as that variable has it; none for all.
        n_gpus: How many these are.
    """
    if n_gpus < 2 or devices > n_gpus:
        return None
    names = visible.split(",") if visible else [str(n) for n in range(n_gpus)]
    first = number % (n_gpus // devices) * devices
    return ",".join(names[first : first + devices])
