"""The program of a worker's process: ``python -m lightning_quicktune.trials.executors.child PIPE OUTPUT [ORDERS]``.

Without a file of orders it takes batch after batch from the pipe. With one it trains what that holds and ends; with
several devices, Lightning starts the same command once more for each, and only the first of them has the pipe. When it
is ready it says that it is idle, and writes to ``OUTPUT`` from then on instead of to who watches its start.
"""

from __future__ import annotations

import json
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lightning_quicktune.trials.executors.messages import event_bytes
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.worker import Brief, Event, Idle, Raised, TrialWorker
from lightning_quicktune.trials.ranks import local_rank
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.termination import Terminated, termination_as_interrupt


class _Driver:
    """The process that gives orders.

    Args:
        pipe: The pipe to it.
        output: File descriptor of what is written to once the worker is ready.
    """

    def __init__(self, pipe: Connection, output: int) -> None:
        self.pipe, self._output = pipe, output
        self._is_gone = False

    def asked(self) -> Any:
        """Waits for what it sends next, plain values of JSON."""
        return json.loads(self.pipe.recv_bytes())

    def is_ready(self) -> None:
        """Says that the worker has started."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(self._output, stream.fileno())
        self.say(Idle())

    def say(self, event: Event) -> None:
        """Sends an event; without a driver, what is trained is paused, which is said to nobody."""
        try:
            self.pipe.send_bytes(event_bytes(event))
        except OSError:
            if not self._is_gone:
                self._is_gone = True
                raise Terminated from None

    def train(self, worker: TrialWorker, orders: list[Order]) -> None:
        """Trains a batch and says so."""
        try:
            worker.train(orders)
        except Exception as error:
            self.say(Raised.of(error))
        self.say(Idle())


def _serve(driver: _Driver) -> None:
    """Takes orders until there is no driver any more."""
    try:
        worker = TrialWorker(Brief.from_dict(driver.asked()), driver.say)
        worker.prepare()
        driver.is_ready()
        while True:
            driver.train(worker, [Order.from_dict(order) for order in driver.asked()])
    except (EOFError, ConnectionResetError):
        return


def _read(path: Path) -> tuple[Brief, list[Order]]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Brief.from_dict(content["brief"]), [Order.from_dict(order) for order in content["orders"]]


def main(words: list[str]) -> int:
    """Runs the worker.

    Args:
        words: File descriptors of the pipe and of the output, and the file of orders if there is one.

    Returns:
        Exit status: 0, or 130 if it was asked to end.
    """
    if len(words) > 2 and local_rank() > 0:
        brief, orders = _read(Path(words[2]))
        for order in orders:
            run_trial(order.plan, order.fidelity, devices=brief.devices)
        return 0
    driver = _Driver(Connection(int(words[0])), int(words[1]))
    with termination_as_interrupt():
        try:
            if len(words) > 2:
                brief, orders = _read(Path(words[2]))
                worker = TrialWorker(brief, driver.say)
                driver.is_ready()
                driver.train(worker, orders)
            else:
                _serve(driver)
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
