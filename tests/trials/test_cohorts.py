import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection import workers
from lightning_quicktune.collection.collect import collect
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.trials import cohort_runner, cohort_size
from lightning_quicktune.trials.cohort_size import fitting_cohort
from lightning_quicktune.trials.cohorts import Cohorts
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial


@pytest.fixture
def settings(tmp_path, fit_config, small_space, write_colours):
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))

    def make(**changes):
        plain = {
            "tasks": [str(write_colours(tmp_path / name, n)) for name, n in (("small", 16), ("large", 40))],
            "recipe": "recipe.yaml",
            "space": "space.yaml",
            "output": str(tmp_path / "collection"),
            "max_fidelity": 2,
            "n_shared": 3,
            "tracking": {"experiment": "collected", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
        }
        (tmp_path / "collect.yaml").write_text(yaml.safe_dump({**plain, **changes}))
        return parse_settings("collect", CollectSettings, ["--config", str(tmp_path / "collect.yaml")])

    return make


@pytest.fixture
def asked(monkeypatch):
    """Tasks and sizes of the cohorts that were trained, in order."""
    seen, run = [], cohort_runner.run_cohort

    def watch(plans, fidelities, *told):
        seen.append(({plan.task.name for plan in plans}, len(plans)))
        return run(plans, fidelities, *told)

    monkeypatch.setattr(cohort_runner, "run_cohort", watch)
    return seen


def records(folder: Path) -> dict[str, dict]:
    found = (json.loads(path.read_text()) for path in folder.glob("trials/*/*/trial.json"))
    return {f"{r['task']}-{r['config_id']}": r for r in found}


def test_a_collection_in_cohorts_has_the_table_of_one_trial_at_a_time(settings, asked, tmp_path):
    apart = collect(settings(output=str(tmp_path / "apart"))).table.trials
    assert asked == []
    together = collect(settings(cohort=2)).table.trials
    assert asked == [({"small"}, 2), ({"large"}, 2)]  # the third trial of a task is left alone
    names = ["task", "config_id", "fidelity", "score", "test/score"]
    pairs = [frame[names].sort_values(names[:3]).reset_index(drop=True) for frame in (together, apart)]
    assert pairs[0][names[:3]].equals(pairs[1][names[:3]])
    for name in names[3:]:
        assert (pairs[0][name] - pairs[1][name]).abs().max() < 1e-4
    assert not list(tmp_path.glob("collection/trials/*/*/*.ckpt"))


def test_what_cant_join_is_trained_alone_and_said_once(settings, asked, monkeypatch, caplog):
    monkeypatch.setattr(
        cohort_runner, "can_join", lambda plan: "it is odd" if plan.configuration.values["lora_rank"] == 4 else None
    )
    collected = collect(settings(cohort=5, tasks=settings().tasks[:1], n_shared=5))
    assert collected.table.meta["n_trials"] == 5
    assert {trial["status"] for trial in records(collected.folder.parent).values()} == {"completed"}
    assert caplog.text.count("are trained alone: it is odd") == 1
    assert [n for _, n in asked] == [2]


def test_a_trial_that_another_process_runs_is_passed_over(settings, asked, tmp_path, monkeypatch):
    few = {"cohort": 5, "tasks": settings().tasks[:1]}
    collect(settings(**few))
    folder = sorted(tmp_path.glob("collection/trials/small/*"))[0]
    for path in tmp_path.glob("collection/trials/small/*"):
        shutil.rmtree(path)
    folder.mkdir()
    asked.clear()
    with exclusive(folder):
        monkeypatch.setattr(workers, "_wait_for", lambda plan: pytest.fail("it is waited for, as it must be"))
        with pytest.raises(pytest.fail.Exception, match="waited for"):
            collect(settings(**few))
    assert asked == [({"small"}, 2)]
    assert not (folder / "trial.json").exists()


def test_stopped_in_a_cohort_all_its_trials_are_paused_and_go_on(settings, tmp_path, monkeypatch, asked):
    few, stops = {"tasks": settings().tasks[:1]}, iter([False] * 2 + [True])

    def stop(tracker, folder):
        if next(stops, False):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lightning_quicktune.tracking.tracker.Tracker.follow_trial", stop)
        with pytest.raises(KeyboardInterrupt):
            collect(settings(cohort=3, **few))
    before = records(tmp_path / "collection")
    assert "running" not in {record["status"] for record in before.values()}
    table = collect(settings(cohort=2, **few)).table
    assert table.meta["n_trials"] == 3
    after = records(tmp_path / "collection")
    assert all(after[key]["curve"][: len(r["curve"])] == r["curve"] for key, r in before.items())


@pytest.mark.parametrize("size", [0, -3, 10_000])
def test_a_cohort_of_none_or_of_too_many_is_refused(settings, size):
    with pytest.raises((SystemExit, ValueError), match=rf"`cohort` is {size}, but .* to 512. Set `cohort`"):
        settings(cohort=size)


def test_a_cohort_is_no_part_of_what_a_collection_is(settings):
    few = {"tasks": settings().tasks[:1], "n_shared": 2}
    first = collect(settings(cohort=4, **few)).table.trials
    assert collect(settings(cohort=1, **few)).table.trials.equals(first)


def test_memory_says_how_many_fit(make_plan, monkeypatch):
    plans = [make_plan(str(n), lora_rank=2 + 2 * (n % 2)) for n in range(12)]
    monkeypatch.setattr(cohort_size, "pays_on", lambda fit: True)
    monkeypatch.setattr(cohort_size, "_free_bytes", lambda device: 10**12)
    assert fitting_cohort(plans, 1) == 12
    need, _ = cohort_size._measure(plans[1].resolved)
    weights = sum(p.numel() for p in cohort_size.task_objects(plans[1].resolved)[0].loaded.model.parameters())
    assert 4 * 32 * 2 * 10 < need < 100 * 4 * weights
    monkeypatch.setattr(cohort_size, "_free_bytes", lambda device: 10 * need)
    assert fitting_cohort(plans, 1) == 8
    assert fitting_cohort(plans, 2) == 4
    monkeypatch.setattr(cohort_size, "_free_bytes", lambda device: need // 3)
    assert fitting_cohort(plans, 1) == 1


def test_a_cpu_trains_one_after_the_other_unless_told_how_many(make_plan):
    plans = [make_plan(str(n)) for n in range(3)]
    assert not cohort_size.pays_on(plans[0].resolved)
    assert fitting_cohort(plans, 1) == 1
    assert Cohorts("auto", 1).size(plans) == 1
    assert Cohorts(3, 1).size(plans) == 3


def test_measuring_memory_leaves_the_base_model_as_it_was(make_plan, tmp_path):
    before = run_trial(make_plan("before"), 1).curve.scores
    cohort_size._measure(make_plan("other").resolved)
    assert run_trial(make_plan("after"), 1).curve.scores == before


def test_a_batch_that_doesnt_fit_alone_is_tried_alone(make_plan, monkeypatch):
    def run_out(*arguments):
        raise torch.cuda.OutOfMemoryError("no room")

    monkeypatch.setattr(cohort_size, "pays_on", lambda fit: True)
    monkeypatch.setattr(cohort_size, "_step", run_out)
    assert fitting_cohort([make_plan("a"), make_plan("b")], 1) == 1


def test_a_cohort_that_was_halved_makes_the_next_ones_smaller(make_plan, monkeypatch):
    from dataclasses import replace

    from lightning_quicktune.types import LearningCurve

    def halved(plans, fidelities, *told):
        trials = [run_trial(plan, 1) for plan in plans]
        slices = [replace(trial.curve.slices[0], cohort_size=2) for trial in trials]
        return [replace(t, curve=LearningCurve((s,))) for t, s in zip(trials, slices, strict=True)]

    monkeypatch.setattr(cohort_runner, "run_cohort", halved)
    plans = [make_plan(name) for name in "abcd"]
    training = Cohorts(4, 1)
    assert training.size(plans) == 4
    assert [result.n_trained for result in training.train([Order(plan, 4) for plan in plans])] == [4] * 4
    assert training.size(plans) == 2


def test_a_trial_goes_on_in_a_cohort_and_alone(make_plan):
    plans = [make_plan(name) for name in "ab"]
    run_trial(plans[0], 2)
    results = list(Cohorts(2, 1).train([Order(plan, 4) for plan in plans]))
    assert [result.trial.curve.fidelity for result in results] == [4, 4]
    assert read_trial(plans[0].folder).status == "completed"
