"""Workers in actors of a Ray cluster, whose machines all see the folder that the command runs in.

Orders and events travel as Ray carries them, pickled: whoever may connect to a cluster may run anything on it anyway.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.ray_head import Head, check_answers, gone
from lightning_quicktune.trials.executors.settings import ExecutorSettings
from lightning_quicktune.trials.executors.worker import Brief, Event, Idle, Raised, TrialWorker
from lightning_quicktune.trials.executors.workplace import NoRoomError, RemoteWorker, WorkerLostError

_LOOK_S = 0.2  # between looks at what actors have said
_ANSWER_S = 60.0  # for an actor that trains to say what it has done


class Actor:
    """A worker in an actor, of which one thread trains and another answers.

    Args:
        brief: What it is told.
        folder: Where the command runs; relative paths are from there.
    """

    def __init__(self, brief: Brief, folder: str) -> None:
        if not Path(folder).is_dir():
            raise FileNotFoundError(
                f"{socket.gethostname()} has no folder {folder}, where the command runs. Trials go on on any machine "
                "from their checkpoints: start the command, and keep `output`, in a folder that all machines share."
            )
        os.chdir(folder)
        self._events: deque[Event] = deque()
        self._is_to_pause = False
        self._worker = TrialWorker(brief, self._say)
        self._worker.prepare()

    def train(self, orders: list[Order]) -> None:
        """Trains a batch; what comes of it is said, not returned."""
        try:
            self._worker.train(orders)
        except KeyboardInterrupt:
            return
        except Exception as error:
            self._events.append(Raised.of(error))
        self._events.append(Idle())

    def heard(self) -> list[Event]:
        """What was said since the last call."""
        events = []
        with suppress(IndexError):
            while True:
                events.append(self._events.popleft())
        return events

    def pause(self) -> None:
        """Pauses what is trained at its next step or slice."""
        self._is_to_pause = True

    def _say(self, event: Event) -> None:
        self._events.append(event)
        if self._is_to_pause:
            self._is_to_pause = False  # what pauses says so, of each trial
            raise KeyboardInterrupt


class RayCluster:
    """Starts an actor for each worker.

    Args:
        settings: Where the cluster is, and what each worker reserves of it.
        brief: What workers are told.
        workers: How many there will be.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
    """

    def __init__(self, settings: ExecutorSettings, brief: Brief, workers: int) -> None:
        import ray  # an extra, and it takes a second

        self._ray = ray
        self._settings, self._brief, self._workers = settings, brief, workers
        self._threads = settings.threads_for(workers) or 1
        self._cpus = self._threads if settings.cpus is None else settings.cpus
        self._is_ours = False
        self._head: Head | None = None  # of a cluster that is large enough

    def start(self) -> _RayWorker:
        """Starts an actor, which says that it is idle when the base model is loaded.

        Raises:
            RuntimeError: If no cluster answers, or no longer, or it is too small.
        """
        if not self._ray.is_initialized():
            self._connect()
            self._is_ours = True
        if self._head is None:
            self._check_size()
            self._head = Head(self._ray.get_runtime_context().gcs_address)
        else:
            self._head.check()
        options = {
            "num_cpus": self._cpus,
            "num_gpus": self._settings.gpus,
            "max_concurrency": 2,
            "max_restarts": 0,
            "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(self._threads)}},
        }
        try:
            actor = self._ray.remote(**options)(Actor).remote(self._brief, os.getcwd())
            return _RayWorker(self._ray, actor, self._settings.start_s)
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            raise gone(self._head.address, error) from error

    def wait(self, workers: Sequence[RemoteWorker], seconds: float) -> None:
        """Blocks until one of them has ended what it does, no longer than a fifth of a second.

        Raises:
            RuntimeError: If the cluster is gone.
        """
        if self._head is not None:
            self._head.look()
        running = [w.running for w in workers if isinstance(w, _RayWorker) and w.running is not None]
        until = max(min(seconds, _LOOK_S), 0.0)
        if running:
            self._ray.wait(running, num_returns=1, timeout=until)
        else:
            time.sleep(until)

    def close(self) -> None:
        """Leaves the cluster, if it was reached from here."""
        if self._is_ours:
            self._ray.shutdown()
            self._is_ours = False
        self._head = None

    def _connect(self) -> None:
        address = self._settings.address
        if address not in ("auto", "local"):
            check_answers(address, self._settings.start_s)
        is_main = threading.current_thread() is threading.main_thread()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        local = {"num_cpus": max(math.ceil(self._cpus * self._workers), 1)} if address == "local" else {}
        try:
            self._ray.init(address=address, include_dashboard=None, logging_level="WARNING", **local)
        except (ConnectionError, RuntimeError, TimeoutError) as error:
            reason = _in_short(str(error)).rstrip(".")
            raise RuntimeError(
                f"`executor.address` is {address}, but no Ray cluster answers there: {reason}. Start one with "
                "`ray start --head`, give the address of one that runs, or set `executor.address: local`."
            ) from error
        finally:
            for number, handler in handlers.items():  # Ray has put its own in their place
                if is_main:
                    signal.signal(number, handler)

    def _check_size(self) -> None:
        """Refuses what no machine will ever have: Ray would wait for it without end."""
        there = self._ray.cluster_resources()
        for key, name, each in (("cpus", "CPU", self._cpus), ("gpus", "GPU", self._settings.gpus)):
            wanted, found = each * self._workers, float(there.get(name, 0.0))
            if wanted > found + 1e-9:
                raise RuntimeError(
                    f"`workers` is {self._workers} with `executor.{key}: {each:g}` for each, but the Ray cluster has "
                    f"{found:g} {name}s in all. Lower `workers` or `executor.{key}`, or add machines to the cluster."
                )


class _RayWorker:
    """An actor, as seen from here: one call at a time."""

    def __init__(self, ray: Any, actor: Any, start_s: float) -> None:
        self._ray, self._actor, self._start_s = ray, actor, start_s
        self._until = time.monotonic() + start_s
        self._has_started = False
        self.running: Any = actor.heard.remote()  # which it answers when it has started

    def begin(self, orders: Sequence[Order]) -> None:
        self.running = self._actor.train.remote(list(orders))

    def heard(self) -> list[Event]:
        if self.running is None:
            return []
        errors = self._ray.exceptions
        try:
            done, _ = self._ray.wait([self.running], timeout=0)
            if not self._has_started:
                return self._started() if done else self._starting()
            events: list[Event] = self._ray.get(self._actor.heard.remote(), timeout=_ANSWER_S)
            if done:
                self._ray.get(self.running)
            if any(isinstance(event, Idle) for event in events):  # also if its call has not quite returned
                self.running = None
            elif done and not events:  # it was paused
                raise WorkerLostError("it was asked to pause")
        except errors.RayTaskError as error:  # nothing that an actor trains is raised
            raise RuntimeError(
                f"A worker on Ray could not take its orders: {_in_short(str(error))}. Install this package and Ray in "
                "the same versions on all machines, then run the same command again."
            ) from error
        except (errors.RayError, errors.GetTimeoutError) as error:
            raise WorkerLostError(f"{type(error).__name__}: {_in_short(str(error))}") from error
        return events

    def _started(self) -> list[Event]:
        self._ray.get(self.running)
        self.running, self._has_started = None, True
        return [Idle()]

    def _starting(self) -> list[Event]:
        if time.monotonic() > self._until:
            raise NoRoomError(
                f"No machine of the Ray cluster has started a worker within {self._start_s:g} s: each may be busy, or "
                "too small. Wait for its other jobs to end, lower `executor.cpus` or `executor.gpus`, or raise "
                "`executor.start_s`."
            )
        return []

    def ask_to_pause(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._actor.pause.remote()

    def end(self) -> None:
        with suppress(Exception):  # the cluster may be gone, and with it the actor
            self._ray.kill(self._actor, no_restart=True)


def _in_short(text: str) -> str:
    """Beginning and end of an error: where an actor could not start, what was wrong with it comes last."""
    words = " ".join(text.split())
    return words if len(words) <= 600 else f"{words[:150]} ... {words[-450:]}"
