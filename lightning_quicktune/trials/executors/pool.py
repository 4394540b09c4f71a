"""The executor of trials in workers elsewhere: other processes of this machine, or of a cluster."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.metadataset.outcome import tells
from lightning_quicktune.trials.checkpoints import usable_checkpoint
from lightning_quicktune.trials.executors.batches import Book
from lightning_quicktune.trials.executors.orders import Order, Result
from lightning_quicktune.trials.executors.worker import Idle, Recorded
from lightning_quicktune.trials.executors.workplace import (
    NoRoomError,
    NotStartedError,
    RemoteWorker,
    WorkerLostError,
    Workplace,
)
from lightning_quicktune.trials.ranks import noted_failure
from lightning_quicktune.trials.storage import read_current, write_trial
from lightning_quicktune.types import Trial, TrialStatus

log = logging.getLogger(__name__)
LOST = "error: WorkerLostError"  # how the failure of a trial begins that has cost too many workers
_TRIES = 3  # workers that a trial may lose before it is given up, and starts of one that may fail one after the other
_GRACE_S = 10.0  # for workers to pause their trials
_LOOK_S = 1.0  # longest wait for a word


class PoolExecutor:
    """Deals orders to workers, one batch each at a time; a worker that is lost is replaced, and its trials go on.

    Args:
        workplace: Where the workers are.
        n_workers: How many.
        most: Orders that one of them may have at a time.
        on_record: Called with a trial's folder whenever its record has changed.
        on_step: Called with a configuration's id, a batch's number in its slice, from 1, and how many there are.
    """

    def __init__(
        self,
        workplace: Workplace,
        n_workers: int,
        most: int = 1,
        on_record: Callable[[Path], object] | None = None,
        on_step: Callable[[str, int, int], object] | None = None,
    ) -> None:
        self._workplace, self._n_workers, self._most = workplace, n_workers, most
        self._book = Book(most, on_record, on_step)
        self._orders: dict[RemoteWorker, dict[str, Order]] = {}  # what each was given and has not ended
        self._idle: list[RemoteWorker] = []
        self._losses: Counter[str] = Counter()
        self._failed_starts: dict[RemoteWorker, int] = {}  # of those whose place it has

    @property
    def capacity(self) -> int:
        """Orders of all workers together."""
        return self._n_workers * self._most

    @property
    def n_ended(self) -> int:
        """Orders that have ended."""
        self._listen()
        if self._most == 1:
            self._deal()
        return len(self._book.ended)

    def submit(self, asked: Order) -> None:
        """Gives an order to a worker, or queues it where several orders make a batch."""
        self._book.waiting.append(asked)
        self._start_workers()
        self._listen()
        if self._most == 1:
            self._deal()

    def wait(self) -> Result:
        """Blocks until an order has ended.

        Raises:
            RuntimeError: If workers can't be started.
        """
        self._listen()
        while not self._book.ended:
            self._start_workers()
            self._deal()
            self._workplace.wait(list(self._orders), _LOOK_S)
            self._listen()
        self._deal()
        return self._book.ended.popleft()

    def close(self) -> None:
        """Asks workers to pause their trials, gives them ten seconds, then ends them all."""
        try:
            for worker in self._orders:
                worker.ask_to_pause()
            self._await_end(time.monotonic() + _GRACE_S)
        finally:
            for worker in self._orders:
                worker.end()
            self._orders.clear()
            self._idle.clear()
            self._failed_starts.clear()
            self._book.waiting.clear()
            self._book.ended.clear()
            self._workplace.close()

    def _await_end(self, until: float) -> None:
        left = [worker for worker, orders in self._orders.items() if orders]
        while left and time.monotonic() < until:
            self._workplace.wait(left, until - time.monotonic())
            for worker in list(left):
                try:
                    for event in worker.heard():
                        if isinstance(event, Recorded):
                            self._book.take_in(event, {})
                        elif isinstance(event, Idle):  # it was done before it was asked
                            left.remove(worker)
                except WorkerLostError:
                    left.remove(worker)

    def _start_workers(self) -> None:
        while len(self._orders) < self._n_workers:
            self._start_worker()

    def _start_worker(self) -> RemoteWorker:
        worker = self._workplace.start()
        self._orders[worker] = {}
        return worker

    def _deal(self) -> None:
        """Gives what waits to workers that have nothing to do."""
        while self._book.waiting and self._idle:
            orders = self._book.batch(len(self._idle))
            worker = self._idle.pop(0)
            self._orders[worker] = {order.key: order for order in orders}
            worker.begin(orders)

    def _listen(self) -> None:
        for worker in list(self._orders):
            try:
                for event in worker.heard():
                    if isinstance(event, Idle):
                        self._idle.append(worker)
                    else:
                        self._failed_starts.pop(worker, None)
                        self._book.take_in(event, self._orders[worker])
            except WorkerLostError as lost:
                self._replace(worker, lost)
            except NoRoomError as full:
                del self._orders[worker]
                worker.end()
                self._do_without(full)

    def _do_without(self, reason: RuntimeError) -> None:
        """Goes on with the other workers, if there are some, as where a machine has left the cluster."""
        if not self._idle and not any(self._orders.values()):
            raise reason
        self._n_workers -= 1
        log.warning("Going on with %d workers: %s", self._n_workers, reason)

    def _replace(self, worker: RemoteWorker, lost: WorkerLostError) -> None:
        """Lets what a lost worker had go on elsewhere, from the last slice of each trial."""
        orders, n_before = self._orders.pop(worker), self._failed_starts.pop(worker, 0)
        worker.end()
        if worker in self._idle:
            self._idle.remove(worker)
        if isinstance(lost, NotStartedError) or not orders:
            self._book.waiting.extendleft(reversed(orders.values()))
            self._start_again(n_before + 1, lost)
            return
        for order in orders.values():
            self._losses[order.key] += 1
            if failure := noted_failure(order.plan.folder):
                self._end(order, failure)
            elif self._losses[order.key] < _TRIES:
                log.warning("A worker was lost (%s); trial %s goes on in another.", lost, order.plan.key)
                self._book.waiting.appendleft(replace(order, alone=True))
            else:
                self._give_up(order, lost)

    def _start_again(self, n_failed: int, lost: WorkerLostError) -> None:
        """Starts a worker in the place of so many, one after the other, that trained nothing."""
        if n_failed < _TRIES:
            log.warning("A worker ended before it trained anything (%s); another starts.", lost)
            self._failed_starts[self._start_worker()] = n_failed
            return
        words = f"{_TRIES} workers one after the other ended before they trained anything ({lost})."
        self._do_without(RuntimeError(f"{words} Correct what that says, then run the same command again."))

    def _give_up(self, order: Order, lost: WorkerLostError) -> None:
        log.warning("Trial %s is given up: it has lost %d workers (%s).", order.plan.key, _TRIES, lost)
        self._end(order, f"{LOST}: it has lost {_TRIES} workers; the last one: {lost}")

    def _end(self, order: Order, failure: str) -> None:
        """Writes the record of a trial that no worker could."""
        folder, trial = order.plan.folder, None
        with exclusive(folder) as free:
            if free:
                trial = _ended(order, failure)
                write_trial(folder, trial)
        if trial is not None and self._book.on_record is not None:
            self._book.on_record(folder)
        self._book.ended.append(Result(order, trial))


def _ended(order: Order, failure: str) -> Trial:
    _, curve = usable_checkpoint(order.plan.folder)
    known = read_current(order.plan.folder) or order.plan.blank
    status: TrialStatus = "failed" if tells(failure) else "interrupted"
    return replace(known, curve=curve, status=status, failure=failure)
