"""A Ray cluster that is too small, or goes away; Ray itself is stood in for."""

import socket
import sys
from types import SimpleNamespace

import pytest

from lightning_quicktune.trials.executors import ray_head
from lightning_quicktune.trials.executors.ray_actors import RayCluster
from lightning_quicktune.trials.executors.settings import ExecutorSettings
from lightning_quicktune.trials.executors.worker import Brief


class RayError(Exception):
    pass


class Ray:
    """A cluster of as many CPUs as it was started with, whose head listens until it is closed."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self):
        self.head, self.reserved, self.has_room = socket.create_server(("127.0.0.1", 0)), [], True

    def is_initialized(self):
        return hasattr(self, "started")

    def init(self, **told):
        if told["address"] != "local":
            raise ConnectionError("none runs")
        self.started = told

    def shutdown(self):
        del self.started

    def cluster_resources(self):
        return {"CPU": self.started["num_cpus"]}

    def get_runtime_context(self):
        return SimpleNamespace(gcs_address=f"127.0.0.1:{self.head.getsockname()[1]}")

    def remote(self, **options):
        self.reserved.append(options)
        return lambda kind: SimpleNamespace(remote=self.start)

    def start(self, *told):
        if not self.has_room:
            raise RayError("the store is gone")
        return SimpleNamespace(heard=SimpleNamespace(remote=lambda: "idle"))


@pytest.fixture
def ray(monkeypatch):
    ray = Ray()
    monkeypatch.setitem(sys.modules, "ray", ray)
    yield ray
    ray.head.close()


def cluster_of(workers, address="local", **settings):
    return RayCluster(ExecutorSettings("ray", address=address, start_s=5, **settings), Brief(), workers)


def test_a_cluster_of_this_machine_has_whole_cpus_for_workers_that_take_parts(ray):
    cluster = cluster_of(3, cpus=0.5)
    cluster.start()
    assert (ray.started["num_cpus"], type(ray.started["num_cpus"])) == (2, int)
    assert ray.reserved[0]["num_cpus"] == 0.5
    cluster.close()
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gpus": 1}, r"`workers` is 2 with `executor.gpus: 1` for each, but the Ray cluster has 0 GPUs in all. Lower"),
        ({"address": "127.0.0.1:9"}, r"`executor.address` is 127.0.0.1:9, but nothing answers there \(.*`ray start"),
        ({"address": "auto"}, r"`executor.address` is auto, but no Ray cluster answers there: none runs. Start one"),
        ({"address": "nonsense"}, r"`executor.address` is 'nonsense', but it is `auto`, `local`, or a machine and a"),
    ],
)
def test_what_there_is_not_is_refused_before_a_worker_starts(ray, settings, words):
    with pytest.raises((RuntimeError, ValueError), match=words):
        cluster_of(2, **settings).start()
    assert not ray.reserved


def test_a_cluster_that_is_gone_when_a_worker_is_replaced_is_said_in_a_sentence(ray, monkeypatch):
    monkeypatch.setattr(ray_head, "_AWAY_S", 0.05)
    monkeypatch.setattr(ray_head, "_EVERY_S", 0.0)
    cluster = cluster_of(1)
    cluster.start()
    cluster.wait([], 0.0)
    ray.head.close()
    for ask in (cluster.start, lambda: cluster_with_news(cluster).wait([], 0.0)):
        with pytest.raises(
            RuntimeError, match=r"The Ray cluster at 127.0.0.1:\d+ is gone \(.*run the same command again"
        ):
            ask()
    cluster.wait([], 0.0)  # while the other workers pause it is not said again
    cluster.close()


def cluster_with_news(cluster):
    """The same, as before it was found to be gone."""
    cluster._head = ray_head.Head(cluster._head.address)
    return cluster


def test_a_cluster_that_answers_and_takes_no_worker_any_more_is_said_in_a_sentence(ray):
    cluster = cluster_of(1)
    cluster.start()
    ray.has_room = False
    with pytest.raises(RuntimeError, match=r"is gone \(the store is gone\)\. Nothing that was recorded is lost"):
        cluster.start()
