"""Collections that go on elsewhere; each runs a few real trials of a tiny model."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection import exchange
from lightning_quicktune.collection.collect import collect
from lightning_quicktune.collection.parts import Parts
from lightning_quicktune.collection.plans import in_shard
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.trials import cohorts
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.trials.runner import run_trial


@pytest.fixture
def on_machine(tmp_path, fit_config, small_space, write_colours):
    """Settings of one collection on a machine of its own, with its own output and MLflow; the parts travel."""
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))

    def make(name: str, **changes) -> CollectSettings:
        machine = tmp_path / name
        machine.mkdir(exist_ok=True)
        plain = {
            "tasks": [str(write_colours(machine / "small", 16))],
            "recipe": str(tmp_path / "recipe.yaml"),
            "space": str(tmp_path / "space.yaml"),
            "output": str(machine / "collection"),
            "parts": str(tmp_path / "parts"),
            "max_fidelity": 1,
            "n_shared": 3,
            "tracking": {"experiment": "collected", "uri": f"sqlite:///{machine}/mlflow.db"},
        }
        (machine / "collect.yaml").write_text(yaml.safe_dump({**plain, **changes}))
        return parse_settings("collect", CollectSettings, ["--config", str(machine / "collect.yaml")])

    return make


@pytest.fixture
def run_keys(monkeypatch):
    """Keys of the trials that are really run."""
    keys = []
    run = cohorts.run_trial

    def noted(plan, *arguments):
        keys.append(plan.key)
        return run(plan, *arguments)

    monkeypatch.setattr(cohorts, "run_trial", noted)
    return keys


def interrupted_after(n_trials, monkeypatch):
    run, left = cohorts.run_trial, [n_trials]

    def some(plan, *arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return run(plan, *arguments)

    monkeypatch.setattr(cohorts, "run_trial", some)


def parts_of(settings) -> list[Path]:
    return sorted(Path(settings.parts).glob("part-*.parquet"))


def test_a_collection_goes_on_from_a_clean_clone_on_another_machine(on_machine, run_keys, monkeypatch, tmp_path):
    """Seconds: two new databases."""
    with monkeypatch.context() as patch:
        interrupted_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            collect(on_machine("first"))
    before, names = list(run_keys), [p.name for p in parts_of(on_machine("first"))]
    assert len(before) == 2
    shutil.rmtree(tmp_path / "first")
    collected = collect(on_machine("second"))
    assert len(run_keys) == len(set(run_keys)) == 3
    assert collected.table.trials.groupby(["task", "config_id", "seed"]).ngroups == 3
    assert len(Tracker(on_machine("second").tracking.uri, "collected").read_trials()) == 3
    assert {p.name for p in parts_of(on_machine("second"))} > set(names)
    kept = read_json(tmp_path / "parts" / "tasks" / "small.json")["task"]
    assert collected.table.tasks["meta_features_cost_s"].tolist() == [kept["meta_features_cost_s"]]


def test_parts_are_written_as_trials_end(on_machine):
    settings = on_machine("first", parts_every=1)
    collect(settings)
    assert len(parts_of(settings)) == 3


def test_an_old_part_is_followed_by_a_small_one(on_machine, monkeypatch):
    monkeypatch.setattr(exchange, "_PATIENCE_S", 0.0)
    settings = on_machine("first")
    collect(settings)
    assert len(parts_of(settings)) == 3


def test_parts_of_another_recipe_are_refused_before_anything_is_described(on_machine, tmp_path, fit_config):
    collect(on_machine("first", n_shared=1))
    fit_config["model"]["init_args"]["label_smoothing"] = 0.1
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    with pytest.raises(ValueError, match=r"parts holds trials of another collection: .*label_smoothing.*Set `parts`"):
        collect(on_machine("second", n_shared=1))
    assert not (tmp_path / "second" / "collection").exists()  # so the recipe of before is not refused for it


def test_parts_of_other_weights_are_refused_before_anything_is_trained(on_machine, run_keys, tmp_path):
    collect(on_machine("first", n_shared=1))
    path = tmp_path / "parts" / "tasks" / "small.json"
    kept = read_json(path)
    kept["task"]["base_model"]["weight_hash"] = "other"
    write_json(path, kept)
    with pytest.raises(ValueError, match=r"described with weights other of .*`model.init_args.base_model`.*Put the"):
        collect(on_machine("second", n_shared=1))
    assert len(run_keys) == 1


def test_a_damaged_record_of_a_task_is_refused_before_it_is_described_again(on_machine, run_keys, tmp_path):
    collect(on_machine("first", n_shared=1))
    path = tmp_path / "parts" / "tasks" / "small.json"
    path.write_text(path.read_text()[:40])
    with pytest.raises(ValueError, match=r"task record .*small\.json can't be read, .*Fetch it again, or set `parts`"):
        collect(on_machine("second", n_shared=1))
    assert len(run_keys) == 1


def test_a_refused_table_leaves_no_collection_behind(on_machine, run_keys, tmp_path, fit_config):
    before = collect(on_machine("first", n_shared=1, parts=None))
    fit_config["model"]["init_args"]["label_smoothing"] = 0.1
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    with pytest.raises(ValueError, match=r"can't be taken over: task small: `recipe` sets other values"):
        collect(on_machine("second", n_shared=1, parts=None, resume_from=str(before.folder)))
    assert not (tmp_path / "second" / "collection" / "collection.json").exists()
    assert len(run_keys) == 1


@pytest.mark.slow
def test_a_table_fills_a_fresh_mlflow_without_training(on_machine, run_keys):
    """Ten seconds: two new databases."""
    before = collect(on_machine("first", parts=None))
    fresh = on_machine("second", parts=None, resume_from=str(before.folder), n_shared=4)
    after = collect(fresh)
    assert len(run_keys) == 4
    assert len(Tracker(fresh.tracking.uri, "collected").read_trials()) == 4
    known = after.table.trials[after.table.trials["config_id"].isin(before.table.trials["config_id"])]
    assert known.reset_index(drop=True).equals(before.table.trials)


@pytest.mark.slow
def test_shards_on_machines_of_their_own_make_one_table(on_machine, run_keys):
    """Ten seconds: two new databases."""
    tables = [collect(on_machine(f"m{n}", n_shared=4, shard=f"{n}/2")).table for n in (1, 2)]
    assert len(run_keys) == len(set(run_keys)) == 4
    assert tables[0].meta["n_trials"] < tables[1].meta["n_trials"] == 4  # the first shard came with the parts


def test_shards_are_disjoint_and_stable(make_plan, on_machine):
    plans = [replace(make_plan("trial", lr=lr), seed=seed) for lr in (0.01, 0.02, 0.03) for seed in range(20)]

    def shard(text, some):
        settings = on_machine("any", shard=text)
        return [plan.key for plan in some if in_shard(settings, plan)]

    shards = [shard(f"{n}/3", plans) for n in (1, 2, 3)]
    assert sorted(key for keys in shards for key in keys) == sorted(plan.key for plan in plans)
    assert all(len(keys) > 10 for keys in shards)
    assert shard("2/3", plans[:30]) == [k for k in shards[1] if k in {p.key for p in plans[:30]}]
    assert len(shard(None, plans)) == len(plans)


@pytest.mark.parametrize("text", ["0/2", "3/2", "half", "1/0", "1/2/3"])
def test_a_shard_that_is_none_is_refused(on_machine, text):
    settings = on_machine("any")
    with pytest.raises(ValueError, match=rf"`shard` is '{text}', but it says which of how many.*leave `shard` out"):
        replace(settings, shard=text)


def relabelled(paths, version):
    for path in paths:
        frame = pd.read_parquet(path)
        records = [{**json.loads(record), "label_version": version} for record in frame["record"]]
        frame.assign(record=[json.dumps(record) for record in records]).to_parquet(path, index=False)


def test_a_collection_goes_on_across_a_change_of_labels(on_machine, run_keys, tmp_path, caplog):
    collected = collect(on_machine("first"))
    assert collected.table.label_version == LABEL_VERSION
    relabelled((tmp_path / "parts").glob("part-*.parquet"), LABEL_VERSION - 1)
    for record in tmp_path.glob("first/collection/trials/*/*/trial.json"):
        write_json(record, {**read_json(record), "label_version": LABEL_VERSION - 1})
    meta = collected.folder / "meta.json"
    write_json(meta, {**read_json(meta), "label_version": LABEL_VERSION - 1})
    shutil.copytree(collected.folder, tmp_path / "old_table")
    first = run_keys.copy()
    run_keys.clear()
    again = collect(on_machine("first", resume_from=str(tmp_path / "old_table")))
    assert sorted(run_keys) == sorted(first)  # each is trained anew
    assert "3 trials in `parts:" in caplog.text
    assert "3 trials in `resume_from:" in caplog.text
    assert f"labels of version {LABEL_VERSION - 1}, and this collection has version {LABEL_VERSION}" in caplog.text
    assert again.table.label_version == LABEL_VERSION
    assert len(again.table.trials) == 3
    assert load(tmp_path / "old_table").label_version == LABEL_VERSION - 1  # and the old ones can still be read
    assert len(Parts(tmp_path / "parts").read()) == 6
    run_keys.clear()
    assert len(collect(on_machine("second")).table.trials) == 3  # a clean clone goes on with the new ones
    assert run_keys == []


def test_a_half_trained_trial_of_other_labels_starts_anew_and_says_so(make_plan, caplog):
    plan = make_plan("trial")
    run_trial(plan, 1)
    record = plan.folder / "trial.json"
    write_json(record, {**read_json(record), "label_version": LABEL_VERSION - 1})
    trial = run_trial(plan, 1)
    assert (trial.label_version, trial.curve.fidelity, trial.overheads.resume_s) == (LABEL_VERSION, 1, 0.0)
    assert f"labels of version {LABEL_VERSION - 1}, and the same settings train otherwise now" in caplog.text


def test_kept_trials_that_are_not_drawn_any_more_stay_in_the_collection(on_machine, run_keys):
    before = collect(on_machine("first"))
    run_keys.clear()
    after = collect(on_machine("second", n_shared=1))
    assert run_keys == []
    assert set(after.table.trials["config_id"]) == set(before.table.trials["config_id"])


def test_two_versions_on_one_collection_do_not_put_each_others_trials_aside(on_machine, run_keys, tmp_path):
    """The older one stops, whether it comes later or both work at once."""
    settings = on_machine("first", n_shared=1)
    collect(settings)
    (record,) = (tmp_path / "first" / "collection").glob("trials/*/*/trial.json")
    newer = {**read_json(record), "label_version": LABEL_VERSION + 1}
    write_json(record, newer)
    shutil.rmtree(tmp_path / "parts")
    with pytest.raises(
        ValueError, match=rf"labels of version {LABEL_VERSION + 1}, .* newer .*same version on all mach"
    ):
        collect(settings)
    assert read_json(record) == newer
    kept = tmp_path / "first" / "collection" / "collection.json"
    write_json(kept, {**read_json(kept), "label_version": LABEL_VERSION + 1})
    shutil.rmtree(tmp_path / "first" / "collection" / "trials")
    with pytest.raises(ValueError, match=r"newer lightning-quicktune; .*or set `output` to another folder"):
        collect(settings)
    assert len(run_keys) == 1 + 1  # the second found the newer record and left it


def test_a_part_of_a_machine_whose_clock_is_ahead_holds_up_no_other(on_machine, monkeypatch):
    monkeypatch.setattr(exchange, "_PATIENCE_S", 0.0)
    settings = on_machine("first", n_shared=2)
    collect(settings)
    for part in parts_of(settings):
        os.utime(part, (time.time() + 86_400,) * 2)
    before = len(parts_of(settings))
    collect(on_machine("first", n_shared=4))
    assert len(parts_of(settings)) == before + 2
