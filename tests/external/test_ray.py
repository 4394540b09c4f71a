"""Trials on a Ray cluster of this machine: the same scores, lost workers, a search of four at once."""

import json
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.collect import collect
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.trials.executors import ray_head
from lightning_quicktune.trials.executors.build import build_executor
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.settings import ExecutorSettings
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.tuning.tune import tune

pytestmark = [pytest.mark.external, pytest.mark.slow, pytest.mark.filterwarnings("default")]
RAY = ExecutorSettings("ray", cpus=0.5, start_s=300)
HERE = ExecutorSettings("in_process")


@pytest.fixture(scope="module", autouse=True)
def ended():
    """Whatever runs in the end is left."""
    yield
    pytest.importorskip("ray").shutdown()


@pytest.fixture
def cluster():
    """A cluster of two CPUs, of the test before if it has left one; executors find it and leave it running."""
    ray = pytest.importorskip("ray")
    if not ray.is_initialized():
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    return ray


@pytest.fixture
def files(tmp_path, fit_config, small_space, colour_task):
    """Writes the YAML of a command and parses it."""
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))
    plain = {
        "recipe": "recipe.yaml",
        "space": "space.yaml",
        "tracking": {"experiment": "on-ray", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
    }

    def make(subcommand, kind, **settings):
        path = tmp_path / f"{subcommand}.yaml"
        path.write_text(yaml.safe_dump({**plain, **settings}))
        return parse_settings(subcommand, kind, ["--config", str(path)])

    return make


def actors() -> list[int]:
    """Processes that train in an actor."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::Actor"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def labels(trials):
    return [[(s.score, s.metrics, s.test_score, s.cost_tokens) for s in trial.curve.slices] for trial in trials]


def test_two_workers_of_which_one_is_killed_give_the_scores_of_one_process(cluster, make_plan):
    rates, recorded = (0.01, 0.02, 0.005, 0.03), []

    def kill_one(folder):
        recorded.append(folder)
        if len(recorded) == 2:
            os.kill(actors()[0], signal.SIGKILL)

    def train(settings, workers, on_record):
        plans = [make_plan(f"{settings.kind}-{rate}", lr=rate, test_each_slice=True) for rate in rates]
        with closing(build_executor(settings, workers, 1, plans[0].fit, None, on_record)) as executor:
            for plan in plans:
                executor.submit(Order(plan, 4))
            results = [executor.wait() for _ in plans]
        assert {result.trial.key for result in results} == {plan.key for plan in plans}
        return [read_trial(plan.folder) for plan in plans]

    there = train(RAY, 2, kill_one)
    assert labels(there) == labels(train(HERE, 1, None))
    assert {trial.status for trial in there} == {"completed"}
    assert not actors()


def test_a_lost_machine_costs_its_trial_a_slice(make_plan, caplog):
    from ray.cluster_utils import Cluster

    ray = pytest.importorskip("ray")
    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second, recorded = cluster.add_node(num_cpus=1), []

    def lose(folder):
        recorded.append(folder)
        if len(recorded) == 3:
            cluster.remove_node(second, allow_graceful=False)

    ray.init(address=cluster.address, log_to_driver=False)
    try:
        plans = [make_plan(f"lost-{rate}", lr=rate) for rate in (0.01, 0.02, 0.005, 0.03)]
        settings = ExecutorSettings("ray", cpus=1, start_s=60)
        with closing(build_executor(settings, 2, 1, plans[0].fit, None, lose)) as executor:
            for plan in plans:
                executor.submit(Order(plan, 4))
            trials = [executor.wait().trial for _ in plans]
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert {trial.status for trial in trials} == {"completed"}
    assert "A worker was lost" in caplog.text
    alone = [run_trial(make_plan(f"alone-{plan.folder.name}", **plan.configuration.values), 4) for plan in plans]
    assert {t.configuration.id: t.curve.scores for t in trials} == {t.configuration.id: t.curve.scores for t in alone}


def test_a_head_that_is_gone_ends_the_command_with_a_sentence_and_its_trials_pause(make_plan, monkeypatch):
    """Ray itself would end this process a minute later."""
    from ray.cluster_utils import Cluster

    ray = pytest.importorskip("ray")
    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False)
    monkeypatch.setattr(ray_head, "_AWAY_S", 2.0)

    def lose(folder):
        if ray_head._EVERY_S:
            cluster.head_node.kill_gcs_server()
            monkeypatch.setattr(ray_head, "_EVERY_S", 0.0)

    try:
        plans = [make_plan(f"gone-{rate}", lr=rate) for rate in (0.01, 0.02, 0.005, 0.03)]
        executor = build_executor(ExecutorSettings("ray", cpus=1, start_s=60), 1, 1, plans[0].fit, None, lose)
        with closing(executor):
            for plan in plans:
                executor.submit(Order(plan, 4))
            with pytest.raises(RuntimeError, match=r"The Ray cluster at .* is gone .*the same command again"):
                [executor.wait() for _ in plans]
    finally:
        ray.shutdown()
        cluster.shutdown()
    trials = [trial for plan in plans if (trial := read_trial(plan.folder)) is not None]
    assert trials
    assert {trial.status for trial in trials} <= {"completed", "paused"}


def test_one_yaml_has_the_same_table_in_process_and_on_ray(cluster, files, tmp_path, colour_task):
    tables = {}
    for name, workers, executor in (("here", 1, {}), ("ray", 2, {"kind": "ray", "cpus": 0.5, "start_s": 300})):
        settings = files(
            "collect",
            CollectSettings,
            tasks=[str(colour_task)],
            output=str(tmp_path / name),
            max_fidelity=2,
            n_shared=4,
            workers=workers,
            executor=executor,
            tracking={"experiment": name, "uri": f"sqlite:///{tmp_path}/mlflow.db"},
        )
        table = collect(settings).table.trials
        kept = [name for name in table if not name.startswith("cost") and not name.endswith("_s") and name != "load"]
        tables[name] = table[kept].sort_values(["config_id", "fidelity"]).reset_index(drop=True)
    assert len(tables["here"]) == 8
    assert tables["ray"].equals(tables["here"]), tables["ray"].compare(tables["here"])


def test_a_search_of_four_at_once_tries_four_different_ones(files, tmp_path, colour_task):
    import ray

    ray.shutdown()  # so that the search starts a cluster of its own
    settings = files(
        "tune",
        TuneSettings,
        task=str(colour_task),
        searcher="successive_halving",
        budget={"slices": 8},
        max_fidelity=3,
        pool_size=8,
        compare=[],
        output=str(tmp_path / "search"),
        workers=4,
        executor={"kind": "ray", "address": "local", "cpus": 0.5, "start_s": 300},
    )
    before = signal.getsignal(signal.SIGTERM)
    tuned = tune(settings)
    assert signal.getsignal(signal.SIGTERM) == before
    lines = (tmp_path / "search" / "observations.jsonl").read_text().splitlines()[1:]
    entries = [json.loads(line) for line in lines]
    assert len({entry["config_id"] for entry in entries[:4]}) == 4
    reached = {}
    for entry in entries:
        reached[entry["config_id"]] = max(reached.get(entry["config_id"], 0), len(entry["curve"]))
    assert sum(reached.values()) == 8
    assert (tuned.adapter / "adapter_model.safetensors").is_file()
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gpus": 1}, r"`workers` is 2 with `executor.gpus: 1` for each, but the Ray cluster has 0 GPUs in all. Lower"),
        ({"cpus": 64}, r"`workers` is 2 with `executor.cpus: 64` for each, but the Ray cluster has 2 CPUs in all"),
    ],
)
def test_what_the_cluster_does_not_have_is_refused_at_once(cluster, make_plan, changes, words):
    plan = make_plan("never")
    executor = build_executor(ExecutorSettings("ray", **changes), 2, 1, plan.fit)
    with closing(executor), pytest.raises(RuntimeError, match=words):
        executor.submit(Order(plan, 1))


def test_a_cluster_of_this_machine_takes_workers_of_parts_of_a_cpu(make_plan):
    import ray

    ray.shutdown()
    plan = make_plan("parts")
    settings = ExecutorSettings("ray", address="local", cpus=0.5, start_s=300)
    with closing(build_executor(settings, 3, 1, plan.fit)) as executor:
        executor.submit(Order(plan, 1))
        assert ray.cluster_resources()["CPU"] == 2
        assert executor.wait().trial.curve.fidelity == 1


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("auto", RuntimeError, r"`executor.address` is auto, but no Ray cluster answers there.*`ray start --head`"),
        ("127.0.0.1:9", RuntimeError, r"`executor.address` is 127.0.0.1:9, but nothing answers there"),
        (
            "nonsense",
            ValueError,
            r"`executor.address` is 'nonsense', but it is `auto`, `local`, or a machine and a port",
        ),
    ],
)
def test_a_cluster_that_is_not_there_is_said_in_bounded_time(make_plan, address, kind, words, monkeypatch):
    import ray

    ray.shutdown()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    plan, began = make_plan("never"), time.monotonic()
    executor = build_executor(ExecutorSettings("ray", address=address, start_s=5), 1, 1, plan.fit)
    with closing(executor), pytest.raises(kind, match=words):
        executor.submit(Order(plan, 1))
    assert time.monotonic() - began < 60
