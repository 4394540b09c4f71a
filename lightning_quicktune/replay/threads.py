"""One thread for surrogates and forests: their matrices are small, and threads that wait for each other cost more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps this process, and those that it starts, to one thread each, as long as the context lasts."""
    import torch
    from threadpoolctl import threadpool_limits

    before, threads = {name: os.environ.get(name) for name in _VARIABLES}, torch.get_num_threads()
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))  # new processes read it, and libraries that are not loaded yet
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
