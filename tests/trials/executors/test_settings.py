import pytest
import torch

from lightning_quicktune.cli.mistakes import sentence
from lightning_quicktune.trials import ranks
from lightning_quicktune.trials.executors.environment import environment, visible_gpus
from lightning_quicktune.trials.executors.settings import ExecutorSettings
from lightning_quicktune.trials.ranks import check_spread, spread


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"threads": 0}, r"`executor.threads` is 0, but it counts threads"),
        ({"kind": "processes", "gpus": 0.5}, r"`executor.gpus` is set, which says something to Ray alone"),
        ({"address": "local"}, r"`executor.address` is set, .* but `executor.kind` is left out"),
        ({"kind": "ray", "cpus": -1}, r"`executor.cpus` is -1, but it is a share"),
        ({"kind": "ray", "gpus": 1.5}, r"`executor.gpus` is 1.5, but .* or whole ones. Set it to 1 or 2, or to less"),
        ({"kind": "ray", "start_s": 0}, r"`executor.start_s` is 0, but nothing starts in no time"),
        ({"start_s": 60}, r"`executor.start_s` is set, which says something to Ray alone, but `executor.kind` is left"),
        ({"kind": "ray", "devices": 2}, r"`executor.devices` is 2, .* only with `executor.kind: subprocess`, which is"),
    ],
)
def test_what_says_nothing_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        ExecutorSettings(**settings)


def test_ray_that_is_not_installed_is_an_error_that_says_how_it_is(monkeypatch):
    monkeypatch.setattr("lightning_quicktune.trials.executors.settings.find_spec", lambda name: None)
    ExecutorSettings("processes").check_installed()
    with pytest.raises(ModuleNotFoundError, match=r"`executor.kind` is ray, but Ray is not installed here") as raised:
        ExecutorSettings("ray").check_installed()
    assert "Install it, for example by `pip install 'lightning-quicktune[ray]'`" in sentence(raised.value)


def test_the_kind_follows_the_workers_and_refuses_what_it_cant_have():
    assert ExecutorSettings().kind_for(1) == "in_process"
    assert ExecutorSettings().kind_for(2) == "processes"
    with pytest.raises(ValueError, match=r"`workers` is 2, but `executor.kind: in_process` has one"):
        ExecutorSettings("in_process").kind_for(2)
    for kind in ("in_process", None):
        settings = ExecutorSettings(kind, threads=2)
        with pytest.raises(ValueError, match=r"`executor.threads` is 2, .* threads of the command itself. Set the env"):
            settings.kind_for(1)
    assert ExecutorSettings(threads=2).kind_for(2) == "processes"
    of_ray = [ExecutorSettings("ray", **said).threads_for(1) for said in ({}, {"cpus": 4}, {"cpus": 4, "threads": 2})]
    assert of_ray == [1, 4, 2]
    assert [ExecutorSettings().threads_for(workers) for workers in (1, 2)] == [None, 1]
    with pytest.raises(ValueError, match=r"`executor.devices` is 2 and `cohort` auto, but a cohort is trained on one"):
        ExecutorSettings("subprocess", devices=2).kind_for(1, "auto")


@pytest.mark.parametrize(
    ("number", "devices", "visible", "n_gpus", "expected"),
    [
        (0, 1, None, 0, None),
        (1, 1, None, 1, None),
        (1, 1, None, 4, "1"),
        (5, 1, None, 4, "1"),
        (1, 2, None, 4, "2,3"),
        (1, 1, "4,7", 2, "7"),
        (0, 8, None, 4, None),
    ],
)
def test_each_worker_has_gpus_of_its_own_as_far_as_they_go(number, devices, visible, n_gpus, expected):
    assert visible_gpus(number, devices, visible, n_gpus) == expected


@pytest.mark.parametrize(
    ("settings", "workers", "n_gpus", "expected"),
    [
        ({}, 4, 0, 4),
        ({}, 4, 1, 4),
        ({}, 4, 4, 1),
        ({}, 5, 4, 2),
        ({"kind": "ray", "gpus": 1}, 8, 1, 1),
        ({"kind": "ray", "gpus": 0.25}, 8, 1, 4),
        ({"kind": "ray", "gpus": 0.25}, 2, 0, 2),
        ({"kind": "ray"}, 3, 4, 3),
    ],
)
def test_workers_share_the_memory_of_those_gpus_that_they_share(settings, workers, n_gpus, expected):
    assert ExecutorSettings(**settings).sharing(workers, n_gpus) == expected


def test_a_worker_is_none_of_a_launchers_processes(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    found = environment(0, 3)
    assert not {"LOCAL_RANK", "SLURM_NTASKS"} & found.keys()
    assert found["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "devices", "expected"), [(4, 1, 2, (2, 1)), (4, 4, 2, (4, 2)), (6, 1, 3, (2, 1))]
)
def test_steps_are_shared_out(fit_config, batch_size, accumulate, devices, expected):
    fit_config["data"]["init_args"]["batch_size"] = batch_size
    fit_config["trainer"]["accumulate_grad_batches"] = accumulate
    of_each = spread(fit_config, devices)
    assert (of_each["data"]["init_args"]["batch_size"], of_each["trainer"]["accumulate_grad_batches"]) == expected


def test_steps_that_cant_be_shared_out_are_refused_before_any_is_trained(make_plan, monkeypatch):
    monkeypatch.setattr(ranks, "n_cpus", lambda: 3)
    with pytest.raises(ValueError, match=r"`executor.devices` is 3, but a step of a trial has 4 records"):
        check_spread([make_plan("a")], 3)
    check_spread([make_plan("a")], 1)
    with pytest.raises(
        ValueError, match=r"`executor.devices` is 4, but this machine has 3 CPUs .* Set it to 3 or less"
    ):
        check_spread([make_plan("a")], 4)
    monkeypatch.setattr(ranks, "trial_device", lambda fit: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"`executor.devices` is 2, but this machine has 1 GPU for this command"):
        check_spread([make_plan("a")], 2)
