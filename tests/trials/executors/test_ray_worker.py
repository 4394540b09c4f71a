"""What an actor has said, as it is heard at unlucky moments; Ray itself is stood in for."""

from types import SimpleNamespace

import pytest

from lightning_quicktune.trials.executors.ray_actors import _RayWorker
from lightning_quicktune.trials.executors.worker import Idle, Recorded
from lightning_quicktune.trials.executors.workplace import WorkerLostError


class RayError(Exception):
    pass


class Ray:
    """Calls are lists of what they return, or errors; ``done`` says whether the one that trains has returned."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=KeyError, GetTimeoutError=TimeoutError)

    def __init__(self):
        self.done, self.says = True, []

    def wait(self, calls, timeout):
        return (calls, []) if self.done else ([], calls)

    def get(self, call, timeout=None):
        if isinstance(call, Exception):
            raise call
        return call

    def kill(self, actor, no_restart):
        pass


@pytest.fixture
def ray():
    return Ray()


@pytest.fixture
def worker(ray):
    """A worker that has started and was given something."""
    actor = SimpleNamespace(
        heard=SimpleNamespace(remote=lambda: ray.says), train=SimpleNamespace(remote=lambda orders: "train")
    )
    worker = _RayWorker(ray, actor, 60.0)
    assert worker.heard() == [Idle()]
    worker.begin([])
    return worker


def test_a_worker_whose_last_word_came_before_its_call_had_returned_is_not_lost(ray, worker, tmp_path):
    ray.done, ray.says = False, [Recorded(tmp_path), Idle()]
    assert worker.heard() == [Recorded(tmp_path), Idle()]
    ray.done, ray.says = True, []
    assert worker.heard() == []


def test_a_worker_that_returns_without_a_word_was_asked_to_pause(ray, worker):
    ray.says = []
    with pytest.raises(WorkerLostError, match="it was asked to pause"):
        worker.heard()


def test_of_a_long_error_its_beginning_and_its_end_are_said(ray, worker):
    worker.running = RayError("The actor died " + "in a long trace " * 100 + "FileNotFoundError: node has no folder")
    with pytest.raises(WorkerLostError, match=r"^RayError: The actor died .* \.\.\. .* node has no folder$"):
        worker.heard()


def test_orders_that_an_actor_cant_read_are_an_error_of_one_sentence(ray, worker):
    worker.running = KeyError("no module of this name")
    with pytest.raises(RuntimeError, match=r"A worker on Ray could not take its orders: .*no module.* same versions"):
        worker.heard()
