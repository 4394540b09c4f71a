"""Threads by the size of a base model: on a small one they wait for each other longer than they compute."""

from __future__ import annotations

import os

import torch

_SMALL = 5_000_000  # weights: below, a step is a few dozen milliseconds of tiny matrices
_before: list[int] = []  # the number before a small model lowered it


def follow_size(n_weights: int) -> None:
    """Sets the threads of this process for the base model that it now trains.

    One for a small model, which also leaves other processes of the machine their cores; as many as before for any
    other. Where the environment variable ``OMP_NUM_THREADS`` is set, that holds.

    Args:
        n_weights: Weights of the base model.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return
    if n_weights < _SMALL and not _before:
        _before.append(torch.get_num_threads())
        torch.set_num_threads(1)
    elif n_weights >= _SMALL and _before:
        torch.set_num_threads(_before.pop())
