"""The program of a worker's process: ``python -m lightning_quicktune.trials.executors.child PIPE [ORDERS]``.

Without a file of orders it takes batch after batch from the pipe. With one it trains what that holds and ends; with
several devices, Lightning starts the same command once more for each, and only the first of them has the pipe.
"""

from __future__ import annotations

import json
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.worker import Brief, Event, Idle, Place, Raised, TrialWorker
from lightning_quicktune.trials.ranks import local_rank
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.termination import Terminated, termination_as_interrupt


class _Driver:
    """The pipe to the process that gives orders."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self._is_gone = False

    def say(self, event: Event) -> None:
        """Sends an event; without a driver, what is trained is paused, which is said to nobody."""
        try:
            self.pipe.send(event)
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
        worker = TrialWorker(driver.pipe.recv(), driver.say)
        worker.prepare()
        driver.say(Idle())
        while True:
            driver.train(worker, driver.pipe.recv())
    except (EOFError, ConnectionResetError):
        return


def _read(path: Path) -> tuple[Brief, list[Order]]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    told = content["brief"]
    brief = Brief(**{**told, "place": Place(**told["place"]) if told["place"] else None})
    return brief, [Order.from_dict(order) for order in content["orders"]]


def main(words: list[str]) -> int:
    """Runs the worker.

    Args:
        words: Number of the pipe's file, and the file of orders if there is one.

    Returns:
        Exit status: 0, or 130 if it was asked to end.
    """
    if len(words) > 1 and local_rank() > 0:
        brief, orders = _read(Path(words[1]))
        for order in orders:
            run_trial(order.plan, order.fidelity, devices=brief.devices)
        return 0
    driver = _Driver(Connection(int(words[0])))
    with termination_as_interrupt():
        try:
            if len(words) > 1:
                brief, orders = _read(Path(words[1]))
                driver.train(TrialWorker(brief, driver.say), orders)
            else:
                _serve(driver)
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
