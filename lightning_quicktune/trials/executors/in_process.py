"""The executor of trials in this process: base model and tokenized data are loaded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lightning_quicktune.trials.executors.batches import Book
from lightning_quicktune.trials.executors.orders import Order, Result
from lightning_quicktune.trials.executors.worker import Brief, Event, TrialWorker


class InProcessExecutor:
    """Trains what waits when its result is asked for: one trial, or a cohort in one pass over the base model.

    Args:
        brief: What is trained at once, and who is told of it.
        capacity: Orders that it takes at a time.
        on_record: Called with a trial's folder whenever its record has changed.
        on_step: Called with a configuration's id, a batch's number in its slice, from 1, and how many there are.
    """

    def __init__(
        self,
        brief: Brief,
        capacity: int = 1,
        on_record: Callable[[Path], object] | None = None,
        on_step: Callable[[str, int, int], object] | None = None,
    ) -> None:
        self._capacity = capacity
        self._book = Book(capacity, on_record, on_step)
        self._worker = TrialWorker(brief, self._hear)
        self._given: dict[str, Order] = {}

    @property
    def capacity(self) -> int:
        """Orders that it takes at a time."""
        return self._capacity

    @property
    def n_ended(self) -> int:
        """Orders that were trained beside the last one."""
        return len(self._book.ended)

    def submit(self, asked: Order) -> None:
        """Queues an order; it is trained by ``wait``."""
        self._book.waiting.append(asked)

    def wait(self) -> Result:
        """Trains what has waited longest, and what may be trained beside it, unless a result waits already."""
        while not self._book.ended:
            orders = self._book.batch()
            self._given = {order.key: order for order in orders}
            self._worker.train(orders)
        return self._book.ended.popleft()

    def close(self) -> None:
        """Forgets what waits; nothing runs between two calls."""
        self._book.waiting.clear()
        self._book.ended.clear()

    def _hear(self, event: Event) -> None:
        self._book.take_in(event, self._given)
