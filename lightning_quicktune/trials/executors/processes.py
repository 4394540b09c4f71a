"""Workers in processes of this machine, which outlive nobody: without their driver they pause and end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from lightning_quicktune.files.whole import write_json
from lightning_quicktune.trials.executors.environment import environment
from lightning_quicktune.trials.executors.messages import read_event
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.start_output import StartOutput
from lightning_quicktune.trials.executors.worker import Brief, Event, Idle
from lightning_quicktune.trials.executors.workplace import NotStartedError, RemoteWorker, WorkerLostError

_LEAVE_S = 10.0  # for a process that has said all to end by itself
CHILD = "lightning_quicktune.trials.executors.child"


class Processes:
    """Starts workers that stay: each loads the base model once.

    Args:
        brief: What they are told.
        threads: Threads of PyTorch of each; none for as many as it takes by itself.
    """

    def __init__(self, brief: Brief, threads: int | None) -> None:
        self._brief, self._threads = brief, threads
        self._started: dict[int, _Process] = {}

    def start(self) -> _Process:
        """Starts a process; a session of its own keeps the terminal's Ctrl-C from it."""
        number = next(n for n in count() if n not in self._started or self._started[n].has_ended)
        worker = _Process(environment(number, self._threads))
        self._started[number] = worker
        worker.tell(self._brief.to_dict())
        return worker

    def wait(self, workers: Sequence[RemoteWorker], seconds: float) -> None:
        """Blocks until one of them has said something or ended."""
        wait_for(workers, seconds)

    def close(self) -> None:
        """Nothing is held besides the workers."""


class Launches:
    """Workers that start a process for each order, so that a trial may have several devices.

    Args:
        brief: What each process is told.
        threads: Threads of PyTorch of each; none for as many as it takes by itself.
    """

    def __init__(self, brief: Brief, threads: int | None) -> None:
        self._brief, self._threads = brief, threads
        self._started: dict[int, _Launcher] = {}
        self._folder: Path | None = None

    def start(self) -> _Launcher:
        """Nothing starts before there are orders."""
        number = next(n for n in count() if n not in self._started or self._started[n].has_ended)
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="quicktune-"))
        path = self._folder / f"orders-{number}.json"
        worker = _Launcher(self._brief, environment(number, self._threads, self._brief.devices), path)
        self._started[number] = worker
        return worker

    def wait(self, workers: Sequence[RemoteWorker], seconds: float) -> None:
        """Blocks until one of them has said something or ended."""
        wait_for(workers, seconds)

    def close(self) -> None:
        """Removes the files of orders."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


class _Process:
    """A worker process and the pipe to it.

    Args:
        inherited: Its environment.
        orders: File of the orders that it has from its start; none if they come through the pipe.
    """

    def __init__(self, inherited: Mapping[str, str], orders: Path | None = None) -> None:
        self.has_started = self.has_ended = False
        self.connection, theirs = Pipe()
        reading, writing = os.pipe()
        output = os.dup(2)
        descriptors = [theirs.fileno(), output]
        words = [sys.executable, "-m", CHILD, *map(str, descriptors), *([str(orders)] if orders else [])]
        try:
            self.process = subprocess.Popen(
                words,
                env=dict(inherited),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                pass_fds=descriptors,
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(writing)
            os.close(output)
        self._start_output = StartOutput(reading)

    def tell(self, what: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # that it is gone is heard
            self.connection.send_bytes(json.dumps(what).encode())

    def begin(self, orders: Sequence[Order]) -> None:
        self.tell([order.to_dict() for order in orders])

    def heard(self) -> list[Event]:
        events: list[Event] = []
        try:
            while self.connection.poll():
                events.append(read_event(self.connection.recv_bytes()))
        except (EOFError, OSError):  # it has ended, perhaps in the middle of a word
            if not events:
                raise self._loss() from None
        self.has_started = self.has_started or bool(events)
        return events

    def _loss(self) -> WorkerLostError:
        end = _end(self.process)
        if self.has_started:
            return WorkerLostError(end)
        lines = self._start_output.last_lines()
        return NotStartedError(f"{end}; it wrote last: {lines}" if lines else f"{end} without a word")

    def ask_to_pause(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        self.has_ended = True
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.connection.close()


class _Launcher:
    """A place for one process at a time; between two it is idle."""

    def __init__(self, brief: Brief, inherited: Mapping[str, str], path: Path) -> None:
        self.has_ended = False
        self._brief, self._inherited, self._path = brief, inherited, path
        self._running: _Process | None = None
        self._said: list[Event] = [Idle()]

    @property
    def connection(self) -> Connection | None:
        """The pipe to the process that runs."""
        return self._running.connection if self._running else None

    def begin(self, orders: Sequence[Order]) -> None:
        content = {"brief": self._brief.to_dict(), "orders": [order.to_dict() for order in orders]}
        write_json(self._path, content)
        self._running = _Process(self._inherited, self._path)

    def heard(self) -> list[Event]:
        events, self._said = self._said, []
        if self._running is not None and not events:
            is_new = not self._running.has_started
            events = self._running.heard()[is_new:]  # its first word is that it has started
            if any(isinstance(event, Idle) for event in events):
                with suppress(subprocess.TimeoutExpired):  # all is said, and devices may hang in their end
                    self._running.process.wait(_LEAVE_S)
                self._running.end()
                self._running = None
        return events

    def ask_to_pause(self) -> None:
        if self._running is not None:
            self._running.ask_to_pause()

    def end(self) -> None:
        self.has_ended = True
        if self._running is not None:
            self._running.end()
            self._running = None


def wait_for(workers: Sequence[RemoteWorker], seconds: float) -> None:
    """Blocks until one of the workers' pipes has something to read, no longer than so many seconds."""
    pipes = [w.connection for w in workers if isinstance(w, (_Process, _Launcher)) and w.connection is not None]
    if pipes:
        wait(pipes, max(seconds, 0.0))


def _end(process: subprocess.Popen[bytes]) -> str:
    """How a process ended, in words."""
    code = process.wait()
    if code >= 0:
        return f"its process ended with status {code}"
    name = signal.Signals(-code).name
    return f"its process was ended by {name}" + (", as systems do where memory is short" if name == "SIGKILL" else "")
