"""The next batch of orders for a worker, and what its events mean to whoever gave them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lightning_quicktune.trials.executors.orders import Order, Result
from lightning_quicktune.trials.executors.worker import Ended, Event, LeftOver, Raised, Recorded, Stepped


@dataclass
class Book:
    """Orders that wait and results that nobody has fetched.

    Args:
        most: Orders that a worker may be given at once, where it has not said otherwise.
        on_record: Called with a trial's folder whenever its record has changed.
        on_step: Called with a configuration's id, a batch's number in its slice, from 1, and how many there are.
    """

    most: int
    on_record: Callable[[Path], object] | None = None
    on_step: Callable[[str, int, int], object] | None = None
    waiting: deque[Order] = field(default_factory=deque)
    ended: deque[Result] = field(default_factory=deque)
    _sizes: dict[str, int] = field(default_factory=dict)  # by task, as workers have said

    def batch(self, n_free: int = 1) -> list[Order]:
        """Takes the order that has waited longest, and those of its task that may be trained beside it.

        Args:
            n_free: Workers that have nothing to do, this one counted; each gets its share.
        """
        first = self.waiting.popleft()
        if first.alone:
            return [first]
        task = first.plan.task.name
        beside = [order for order in self.waiting if order.plan.task.name == task and not order.alone]
        most = min(self._sizes.get(task, self.most), -(-(len(beside) + 1) // n_free))
        chosen = [first, *beside[: most - 1]]
        self.waiting = deque(order for order in self.waiting if order not in chosen)
        return chosen

    def take_in(self, event: Event, orders: dict[str, Order]) -> None:
        """Passes an event on.

        Args:
            event: What a worker said.
            orders: What it was given and has not ended, by key; what this event ends leaves it.

        Raises:
            Exception: What the worker could not go on for.
        """
        match event:
            case Recorded(folder):
                if self.on_record is not None:
                    self.on_record(folder)
            case Stepped(config_id, step, of):
                if self.on_step is not None:
                    self.on_step(config_id, step, of)
            case Ended(key, trial, seconds, n_trained, cost_s):
                self.ended.append(Result(orders.pop(key), trial, seconds, n_trained, cost_s))
            case LeftOver(keys, size):
                left = [orders.pop(key) for key in keys]
                self._sizes[left[0].plan.task.name] = size
                self.waiting.extendleft(reversed(left))
            case Raised(error):
                raise error
