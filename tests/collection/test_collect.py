import json
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.collect import collect
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.tracking.tracker import Tracker


@pytest.fixture
def settings(tmp_path, fit_config, small_space, write_colours):
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))

    def make(**changes):
        plain = {
            "tasks": [str(write_colours(tmp_path / name, n)) for name, n in (("small", 16), ("large", 40))],
            "recipe": str(tmp_path / "recipe.yaml"),
            "space": str(tmp_path / "space.yaml"),
            "output": str(tmp_path / "collection"),
            "max_fidelity": 2,
            "n_shared": 2,
            "n_fresh": 1,
            "tracking": {"experiment": "collected", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
        }
        (tmp_path / "collect.yaml").write_text(yaml.safe_dump({**plain, **changes}))
        return parse_settings("collect", CollectSettings, ["--config", str(tmp_path / "collect.yaml")])

    return make


def test_the_table_holds_every_trial_and_mlflow_holds_the_table(settings):
    collected = collect(settings())
    table = load(collected.folder, with_test=True)
    trials = table.trials
    assert trials.groupby(["task", "config_id"]).ngroups == 6
    assert set(trials["fidelity"]) == {1, 2}
    assert trials["test/score"].notna().all()
    assert (trials["cost_s"] > 0).all()
    shared = trials.groupby("config_id")["task"].nunique()
    assert sorted(shared) == [1, 1, 2, 2]
    uri = settings().tracking.uri
    assert len(Tracker(uri, "collected").read_trials()) == 6


def test_a_dataset_is_a_task_for_each_length_of_training(settings):
    (small, _) = settings().tasks
    few = {"tasks": [small, f"{small}@16"], "n_shared": 1, "n_fresh": 0}
    table = load(collect(settings(**few)).folder)
    assert table.datasets == {"small": "small", "small@16": "small"}
    usual, short = (table.task_info(name) for name in table.task_names)
    assert (usual.records_per_slice, short.records_per_slice) == (16, 8)
    assert (short.training_records, short.facts["training_records"]) == (16, 16)
    assert short.facts["epochs"] == 16 / short.facts["train_records"]
    by_task = {row.task: row.scores for row in table.curves()}
    assert len(by_task["small@16"]) == 2
    assert by_task["small"] != by_task["small@16"]
    with pytest.raises(ValueError, match=r"more than once.*or write several lengths of training as `shop.jsonl@480`"):
        collect(settings(**{**few, "tasks": [small, small]}))


def test_a_second_run_trains_nothing_and_more_configurations_go_on(settings, tmp_path):
    collect(settings(tasks=settings().tasks[:1]))
    records = {p: p.stat().st_mtime_ns for p in tmp_path.glob("collection/trials/*/*/trial.json")}
    assert len(records) == 3
    assert not list(tmp_path.glob("collection/trials/*/*/*.ckpt"))
    collected = collect(settings(n_shared=3))
    assert all(p.stat().st_mtime_ns == before for p, before in records.items())
    assert collected.table.trials.groupby(["task", "config_id"]).ngroups == 8


def test_a_collection_of_another_recipe_is_refused(settings, tmp_path, fit_config):
    few = {"tasks": settings().tasks[:1], "n_shared": 1, "n_fresh": 0}
    collect(settings(**few, max_fidelity=1))
    with pytest.raises(ValueError, match=r"another collection: `max_fidelity` was 1 and is now 2. Set `output`"):
        collect(settings(**few, max_fidelity=2))
    fit_config["trainer"]["gradient_clip_val"] = 0.5
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    with pytest.raises(ValueError, match=r"another collection: `trainer.gradient_clip_val` was 1.0 and is now 0.5"):
        collect(settings(**few, max_fidelity=1))
    fit_config["trainer"] |= {"gradient_clip_val": 1.0, "enable_progress_bar": False}
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    collect(settings(**few, max_fidelity=1))


def test_other_trials_of_the_experiment_stay_out_of_the_table(settings, tmp_path, fit_config):
    few = {"tasks": settings().tasks[:1], "n_shared": 1, "n_fresh": 0, "max_fidelity": 1}
    collect(settings(**few))
    fit_config["model"]["init_args"]["label_smoothing"] = 0.1
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    other = collect(settings(**few, output=str(tmp_path / "other")))
    assert len(Tracker(settings().tracking.uri, "collected").read_trials()) == 2
    (plan,) = tmp_path.glob("other/trials/*/*/trial.json")
    (cost,) = other.table.trials["cost_s"]
    assert cost == json.loads(plan.read_text())["curve"][0]["cost_s"]


def test_a_fresh_database_is_filled_again_without_training(settings, tmp_path):
    few = {"tasks": settings().tasks[:1], "n_shared": 2, "n_fresh": 0, "max_fidelity": 1}
    before = collect(settings(**few)).table.trials
    (tmp_path / "fresh").mkdir()
    Tracker(f"sqlite:///{tmp_path}/fresh/mlflow.db", "collected").log_folder(tmp_path / "small", "a", "a", "a", {}, {})
    shutil.rmtree(tmp_path / "mlartifacts")
    (tmp_path / "fresh" / "mlflow.db").rename(tmp_path / "mlflow.db")
    after = collect(settings(**few)).table.trials
    assert after.equals(before)
    assert len(Tracker(settings().tracking.uri, "collected").read_trials()) == 2


def test_interrupted_trials_are_left_out_of_the_table_and_taken_up_at_the_next_start(settings, monkeypatch, caplog):
    few = {"tasks": settings().tasks[:1], "n_shared": 2, "n_fresh": 0}
    with monkeypatch.context() as patch:
        stumble_in_second_trial(patch)
        first = collect(settings(**few))
    assert (first.table.meta["n_trials"], first.table.meta["n_interrupted"]) == (1, 1)
    assert "1 trials were interrupted by errors (the first: error: OSError: the cable)" in caplog.text
    (checkpoint,) = Path(settings().output).glob("trials/*/*/last.ckpt")
    folder = checkpoint.parent
    before = json.loads((folder / "trial.json").read_text())["curve"]
    assert len(before) == 1
    assert {t.status for t in Tracker(settings().tracking.uri, "collected").read_trials()} == {
        "completed",
        "interrupted",
    }
    caplog.set_level("INFO")
    second = collect(settings(**few))
    assert "1 trials that an error had interrupted are taken up again" in caplog.text
    assert (second.table.meta["n_trials"], second.table.meta["n_interrupted"]) == (2, 0)
    assert json.loads((folder / "trial.json").read_text())["curve"][:1] == before
    assert not checkpoint.exists()


def stumble_in_second_trial(patch):
    """An error in the second slice of the second trial."""
    steps, step = [], CausalLMFinetuner.training_step

    def stumble(self, *arguments):
        steps.append(self.trainer.current_epoch)
        if [epoch for epoch, following in pairwise(steps) if epoch != following] == [0, 1, 0]:
            raise OSError("the cable")
        return step(self, *arguments)

    patch.setattr(CausalLMFinetuner, "training_step", stumble)


def test_a_collection_of_nothing_but_interrupted_trials_says_why(settings, monkeypatch):
    def stumble(self, *arguments):
        raise OSError("the cable")

    monkeypatch.setattr(CausalLMFinetuner, "training_step", stumble)
    few = {"tasks": settings().tasks[:1], "n_shared": 2, "n_fresh": 0}
    with pytest.raises(RuntimeError, match=r"2 trials were interrupted .*the cable.*no table. Correct what is wrong"):
        collect(settings(**few))


def test_wrong_targets_fail_once_before_any_trial(settings, tmp_path, fit_config):
    fit_config["model"]["init_args"]["lora"] = {"targets": ["q_proj"]}
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    with pytest.raises(ValueError, match=r"q_proj.* match no linear module"):
        collect(settings())
    assert not list(tmp_path.glob("collection/trials/*/*"))


def test_two_tasks_of_one_name_are_refused(settings, tmp_path, write_colours):
    other = write_colours(tmp_path / "elsewhere" / "small")
    with pytest.raises(ValueError, match=r"has small more than once"):
        collect(settings(tasks=[*settings().tasks, str(other)]))


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_without_doing_anything_twice(settings, tmp_path):
    """Two starts of the command line."""
    uri = settings(max_fidelity=4).tracking.uri
    command = [sys.executable, "-m", "lightning_quicktune", "collect", "--config", f"{tmp_path}/collect.yaml"]
    process = subprocess.Popen(command, cwd=tmp_path)
    while not list(tmp_path.glob("collection/trials/*/*/last.ckpt")):
        assert process.poll() is None, "the collection ended without a checkpoint"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {p: json.loads(p.read_text()) for p in tmp_path.glob("collection/trials/*/*/trial.json")}
    assert before
    subprocess.run(command, cwd=tmp_path, check=True)
    table = load(tmp_path / "collection" / "meta_dataset")
    assert table.trials.groupby(["task", "config_id"]).ngroups == 6
    assert set(table.trials["status"]) == {"completed"}
    assert len(Tracker(uri, "collected").read_trials()) == 6
    for path, record in before.items():
        curve = json.loads(path.read_text())["curve"]
        assert curve[: len(record["curve"])] == record["curve"]
