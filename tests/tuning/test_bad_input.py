"""Datasets that are too small or too long, a folder that can't be written to, and a recipe beyond the space."""

import errno
import json
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightning_quicktune.compose import quiet_upstream, to_yaml
from lightning_quicktune.trials import ranks
from lightning_quicktune.trials.storage import check_output
from lightning_quicktune.tuning.experience import Experience, load_experience
from lightning_quicktune.tuning.searching import Search
from lightning_quicktune.tuning.settings import SurrogateSources
from lightning_quicktune.tuning.tune import tune
from lightning_quicktune.types import BaseModelInfo, Configuration, TaskInfo


def write_records(path, records):
    path.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in records))
    return str(path)


def test_five_records_are_tuned_and_said_to_be_few(settings, tmp_path):
    task = write_records(tmp_path / "five.jsonl", [(f"what is {n}", f"{n}") for n in range(5)])
    tuned = tune(settings(task=task, budget={"slices": 1}, compare=[]))
    assert sum(tuned.outcome.splits.values()) == 5
    assert any("with fewer than 50" in sentence for sentence in tuned.outcome.left_out)
    assert tuned.report.is_file()


def test_a_test_split_of_one_record_gives_no_interval(settings, write_colours, tmp_path):
    task = write_colours(tmp_path / "one")
    lines = (task / "test.jsonl").read_text().splitlines()
    (task / "test.jsonl").write_text(lines[0] + "\n")
    tuned = tune(settings(task=str(task), budget={"slices": 1}, compare=["recipe"]))
    assert tuned.outcome.gain is None
    assert any("The test split has 1 record: " in sentence for sentence in tuned.outcome.left_out)
    assert "nan" not in tuned.report.read_text().lower().replace("nano", "")


@pytest.mark.parametrize("place", [0, 1])
def test_a_record_of_100_000_characters_of_markup_is_named_with_what_to_do(settings, tmp_path, place):
    records = [[f"what is {n}", f"{n}"] for n in range(40)]
    records[7][place] = "<div>" * 20_000
    task = write_records(tmp_path / "page.jsonl", records)
    with pytest.raises(
        ValueError, match=r"longer than \d+ tokens.*page.jsonl:8.*`data.init_args.reading.on_long_prompt"
    ):
        tune(settings(task=task, budget={"slices": 1}))


def test_what_a_search_is_compared_with_must_be_shared_out_to_its_devices_too(
    settings, fit_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(ranks, "n_cpus", lambda: 3)
    fit_config["data"]["init_args"]["batch_size"] = 6
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    executor = {"kind": "subprocess", "devices": 3}
    with pytest.raises(ValueError, match=r"`executor.devices` is 3, but a step of a trial has 16 records .*`compare`"):
        tune(settings(executor=executor, compare=["recipe", "strong"]))


def test_a_file_system_that_is_only_read_is_said(tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(ValueError, match=r"`output` is .* no results can be kept there: Read-only file system\. Set"):
        check_output(tmp_path / "x")


def test_a_hub_that_is_away_is_said_once_and_not_with_every_try():
    quiet_upstream()
    assert not logging.getLogger("huggingface_hub.utils._http").isEnabledFor(logging.WARNING)


def test_a_recipe_outside_of_the_space_is_foretold_as_the_nearest_one_or_by_what_validation_took():
    """It lacks hyperparameters that the surrogate's space always has."""
    experience = load_experience(SurrogateSources(curves="nano"))
    facts = {
        "zero_shot_s": 2.0,
        "validation_records": 10,
        "validation_tokens_median": 20.0,
        "train_tokens_median": 20.0,
    }
    task = TaskInfo("new", BaseModelInfo("nano-phi3", 1000, "ab"), "answer_likelihood", 6, 100, 0.05, facts=facts)
    search = object.__new__(Search)  # without all that a job is made of
    search.job = SimpleNamespace(experience=experience, space=experience.space, setup=SimpleNamespace(info=task))
    search.reference_step_s = 1.0
    outside, default = Configuration({"lora_rank": 16}), experience.space.default
    assert default.values["lora_rank"] == 16
    assert search.foretold_slice_s(outside) == search.foretold_slice_s(default) != pytest.approx(62.0)
    search.job.experience = Experience()
    assert search.foretold_slice_s(outside) == search.foretold_slice_s(default) == pytest.approx(2.0 * (1 + 3 * 10))
