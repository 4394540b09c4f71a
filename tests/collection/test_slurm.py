"""A collection in two jobs of Slurm, by what it tells them, and the table of both."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from lightning_quicktune.compose import to_yaml
from lightning_quicktune.metadataset.folder import load

pytestmark = pytest.mark.slow  # three starts of the command line


def slurm(number: int) -> dict[str, str]:
    """The environment of a job of one task in an array."""
    told = {"JOB_ID": "7", "JOB_NAME": "collect", "ARRAY_TASK_ID": str(number), "NTASKS": "1"}
    told |= {"PROCID": "0", "LOCALID": "0", "NODEID": "0", "NODELIST": "node1"}
    return {**os.environ, **{f"SLURM_{name}": value for name, value in told.items()}}


def test_shards_keep_parts_of_which_the_command_without_a_shard_makes_the_table(
    tmp_path, fit_config, small_space, colour_task
):
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))
    plain = {
        "tasks": [str(colour_task)],
        "recipe": "recipe.yaml",
        "space": "space.yaml",
        "output": str(tmp_path / "whole"),
        "parts": str(tmp_path / "shared"),
        "max_fidelity": 1,
        "n_shared": 4,
        "tracking": {"experiment": "collected", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
    }
    (tmp_path / "collect.yaml").write_text(yaml.safe_dump(plain))
    words = [sys.executable, "-m", "lightning_quicktune", "collect", "--config", "collect.yaml"]
    n_trials = []
    for number in (1, 2):
        own = ["--shard", f"{number}/2", "--output", f"of-{number}", "--parts_only", "true"]
        subprocess.run([*words, *own], cwd=tmp_path, env=slurm(number), check=True)
        records = [json.loads(path.read_text()) for path in tmp_path.glob(f"of-{number}/trials/*/*/trial.json")]
        n_trials.append(sum(record["device"] is not None for record in records))
    assert max(n_trials) <= 4
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.glob("of-*/trials/*/*/trial.json")}
    subprocess.run(words, cwd=tmp_path, check=True)
    assert load(tmp_path / "whole" / "meta_dataset").meta["n_trials"] == 4
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
