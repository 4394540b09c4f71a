import math
from dataclasses import replace

import pandas as pd
import pytest

from lightning_quicktune.collection.parts import Parts
from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.trials.identity import LABEL_VERSION, settings_digest
from lightning_quicktune.types import Configuration, DeviceInfo, LearningCurve, Overheads, SliceResult, Trial

FIT = {"trainer": {"gradient_clip_val": 1.0}, "model": {}, "data": {"init_args": {"path": "here"}}}


def make_trial(number: int, n_slices: int = 6, seed: int = 0) -> Trial:
    noise = [math.sin(number + i) / 3 for i in range(40)]  # every digit differs, as in a measurement
    slices = tuple(
        SliceResult(
            fidelity=i,
            score=0.5 + noise[i],
            cost_s=1 + noise[i + 7],
            cost_cpu_s=1 + noise[i + 8],
            cost_tokens=4321 + i,
            metrics={name: noise[i + k] for k, name in enumerate(("loss", "exact_match", "token_f1", "rouge_l"))},
            test_score=noise[i + 9],
            test_metrics={name: noise[i + k] for k, name in enumerate(("loss", "answer_likelihood", "exact_match"))},
            device="cpu x86_64",
            threads=1,
            reference_step_s=0.0123,
        )
        for i in range(1, n_slices + 1)
    )
    return Trial(
        task=f"task-{number % 30}",
        base_model="nano",
        metric="answer_likelihood",
        configuration=Configuration({"lr": 1e-4 * (1 + number), "variant": "dora"}),
        seed=seed,
        max_fidelity=6,
        curve=LearningCurve(slices),
        status="completed",
        overheads=Overheads(0.5, 0.0, 1.0, 0.1),
        device=DeviceInfo("cpu x86_64", 1, 1, 1.5, 0.0123),
        versions={"torch": "2.0"},
        fit=FIT,
        base_model_hash="abc",
        content_digest="def",
        label_version=LABEL_VERSION,
    )


def test_trials_come_back_without_their_yaml_but_with_its_digest(tmp_path):
    trials = [make_trial(number) for number in range(5)]
    diverged = replace(make_trial(5, 0), status="failed", failure="diverged")
    Parts(tmp_path).write([*trials, diverged])
    kept = Parts(tmp_path).read()
    assert [k.trial for k in kept] == sorted((replace(t, fit={}) for t in [*trials, diverged]), key=lambda t: t.key)
    assert {k.settings for k in kept} == {settings_digest(FIT)}


def test_a_trial_is_written_once_whoever_writes(tmp_path):
    trials = [make_trial(number) for number in range(4)]
    first, second = Parts(tmp_path), Parts(tmp_path)
    first.write(trials[:2])
    assert second.write(trials[:3])
    assert first.write(trials[:3]) is None
    assert sorted(k.trial.key for k in first.read()) == sorted(t.key for t in trials[:3])
    assert len(list(tmp_path.iterdir())) == 2  # and nothing unfinished beside them


def test_an_interrupted_trial_of_an_earlier_version_makes_room_for_the_one_that_ended(tmp_path):
    stumbled = replace(make_trial(0, 2), status="failed", failure="error: OSError: the cable")
    parts = Parts(tmp_path)
    parts.write([stumbled, make_trial(1)])
    assert parts.keys() == {make_trial(1).key}
    assert parts.write([make_trial(0)])
    assert parts.keys() == {make_trial(0).key, make_trial(1).key}


def test_the_same_trials_have_the_same_name_on_every_machine(tmp_path):
    trials = [make_trial(number) for number in range(3)]
    names = [Parts(tmp_path / name).write(order).name for name, order in (("a", trials), ("b", trials[::-1]))]
    assert names[0] == names[1]


def test_eighteen_hundred_trials_are_a_few_megabytes(tmp_path):
    parts = Parts(tmp_path)
    for start in range(0, 1800, 50):
        parts.write([make_trial(number) for number in range(start, start + 50)])
    assert len(parts.keys()) == 1800
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4e6


def test_a_damaged_part_says_which_and_what_to_do(tmp_path):
    path = Parts(tmp_path).write([make_trial(0)])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=rf"part .*{path.name} can't be read: .*Fetch it again, or delete it"):
        Parts(tmp_path).read()


def test_a_trial_that_cannot_be_read_is_damage_too(tmp_path):
    path = Parts(tmp_path).write([make_trial(0)])
    frame = pd.read_parquet(path)
    frame.assign(record="{}").to_parquet(path)
    with pytest.raises(ValueError, match=rf"part .*{path.name} can't be read: .*Fetch it again"):
        Parts(tmp_path).read()


def test_a_part_that_cannot_be_read_now_is_not_called_damaged(tmp_path, monkeypatch):
    Parts(tmp_path).write([make_trial(0)])

    def fail(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", fail)
    with pytest.raises(PermissionError):
        Parts(tmp_path).read()


def test_another_table_among_the_parts_says_what_it_lacks(tmp_path):
    path = Parts(tmp_path).write([make_trial(0)])
    pd.DataFrame({"key": ["a"]}).to_parquet(path)
    with pytest.raises(ValueError, match=r"can't be read: it has no column 'settings'"):
        Parts(tmp_path).keys()


def test_the_record_of_a_task_is_kept_without_its_path_and_put_back(tmp_path):
    task = tmp_path / "here" / "colours"
    write_json(task / "task.json", {"name": "colours", "facts": {"path": "some/folder", "n_train": 3}})
    write_json(task / "identity.json", {"content": "abc"})
    parts = Parts(tmp_path / "parts")
    parts.write_tasks([task])
    there = tmp_path / "there" / "colours"
    parts.restore_task(there)
    assert read_json(there / "task.json") == {"name": "colours", "facts": {"n_train": 3}}
    assert read_json(there / "identity.json") == {"content": "abc"}


def test_a_task_that_is_described_already_stays_as_it_is(tmp_path):
    for name in ("first", "second"):
        write_json(tmp_path / name / "colours" / "task.json", {"name": name, "facts": {}})
    parts = Parts(tmp_path / "parts")
    for name in ("first", "second"):
        parts.write_tasks([tmp_path / name / "colours"])
    parts.restore_task(tmp_path / "second" / "colours")
    assert read_json(tmp_path / "second" / "colours" / "task.json")["name"] == "second"
    parts.restore_task(tmp_path / "third" / "colours")
    assert read_json(tmp_path / "third" / "colours" / "task.json")["name"] == "first"
