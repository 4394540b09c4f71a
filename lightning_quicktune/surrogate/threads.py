"""One thread for the small matrices of surrogates: among many, threads wait for each other most of the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import torch
from lightning import Callback, LightningModule, Trainer
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, PyTorch and BLAS compute on one thread; afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks for libraries, which takes milliseconds


class OneThread(Callback):
    """Lets a trainer do on one thread whatever it does with a surrogate."""

    def __init__(self) -> None:
        self._within = ExitStack()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begins, before the surrogate is set up."""
        self._within.enter_context(one_thread())

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Ends."""
        self._within.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Ends, for there is no ``teardown`` after an error."""
        self._within.close()
