"""Jobs in one process or several, of one thread each, with their progress."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager

from lightning_quicktune.replay.results import Replayed
from lightning_quicktune.replay.settings import ReplaySettings
from lightning_quicktune.replay.threads import one_thread
from lightning_quicktune.replay.workplace import LearnJob, ReplayJob, Workplace

Job = LearnJob | ReplayJob
_EVERY_S = 5.0  # between two lines of progress

_workplace: Workplace | None = None  # of a worker process


def do_all(stages: Sequence[Sequence[Job]], workplace: Workplace, on_done: Callable[[list[Replayed]], None]) -> None:
    """Does all jobs, stage after stage.

    Args:
        stages: Jobs; those of one stage don't depend on each other.
        workplace: Of this process; used if there is only one.
        on_done: Called with the replays of each finished job.
    """
    with _workers(workplace) as run:
        for jobs in stages:
            progress = Progress(len(jobs), "lessons" if jobs and isinstance(jobs[0], LearnJob) else "replay jobs")
            for replays in run(jobs):
                on_done(replays)
                progress.step()


class Progress:
    """Lines on the terminal that say how many jobs are done and how long the others will take.

    Args:
        n: Jobs in all.
        what: What they are called.
    """

    def __init__(self, n: int, what: str) -> None:
        self._n, self._what = n, what
        self._done = 0
        self._began = self._said = time.monotonic()

    def step(self) -> None:
        """One more job is done."""
        self._done += 1
        now = time.monotonic()
        if self._done == self._n or now - self._said >= _EVERY_S:
            self._said = now
            left_s = (now - self._began) / self._done * (self._n - self._done)
            sys.stderr.write(f"{self._done}/{self._n} {self._what}, about {left_s:.0f} s left\n")
            sys.stderr.flush()


@contextmanager
def _workers(workplace: Workplace) -> Iterator[Callable[[Sequence[Job]], Iterator[list[Replayed]]]]:
    n = workplace.settings.n_processes
    with one_thread():
        if n == 1:
            yield lambda jobs: (workplace.do(job) for job in jobs)
            return
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(n, context, initializer=_start, initargs=(workplace.settings,))
        try:
            yield lambda jobs: _done([pool.submit(_do, job) for job in jobs])
        finally:
            pool.shutdown(cancel_futures=True)


def _done(futures: list[Future[list[Replayed]]]) -> Iterator[list[Replayed]]:
    """Results as they come; the first failure is raised once what runs has ended."""
    for future in as_completed(futures):
        yield future.result()


def _start(settings: ReplaySettings) -> None:
    global _workplace  # one per process: to load it for each job would take seconds
    _workplace = Workplace(settings)


def _do(job: Job) -> list[Replayed]:
    assert _workplace is not None  # `_start` ran
    return _workplace.do(job)
