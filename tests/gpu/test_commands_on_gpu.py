"""What users type, on a GPU: fit, test, predict, export, tune and collect."""

import json
import sys
from pathlib import Path

import pytest
import torch
import yaml

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import to_yaml

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]
RECIPE = Path(__file__).parents[2] / "configs" / "recipe" / "nano_lora.yaml"


@pytest.fixture
def arguments(accelerator, colour_task, tmp_path, monkeypatch):
    """A short training, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    settings = {
        "trainer.accelerator": accelerator,
        "trainer.max_epochs": 2,
        "trainer.logger": "false",
        "trainer.enable_progress_bar": "false",
        "data.init_args.path": colour_task,
    }
    return ["--config", str(RECIPE), *(f"--{key}={value}" for key, value in settings.items())]


@pytest.fixture
def files(gpu_fit, small_space, colour_task, tmp_path, monkeypatch):
    """Recipe and space beside each other, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(to_yaml(gpu_fit))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))
    return {
        "recipe": "recipe.yaml",
        "space": "space.yaml",
        "max_fidelity": 2,
        "tracking": {"experiment": "gpu", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
    }


def test_fit_test_predict_and_export(arguments, tmp_path, capsys):
    assert main(["fit", *arguments]) == 0
    last = str(next(tmp_path.rglob("last.ckpt")))
    assert torch.load(last, weights_only=True)["epoch"] == 1
    assert main(["test", *arguments, "--ckpt_path", last]) == 0
    assert "test/loss" in capsys.readouterr().out
    assert main(["predict", *arguments, "--ckpt_path", last]) == 0
    rows = [json.loads(line) for line in Path("predictions.jsonl").read_text().splitlines()]
    assert len(rows) == 7
    assert main(["export", "--fit", str(RECIPE), "--checkpoint", last, "--output", "adapter"]) == 0
    assert Path("adapter/adapter_model.safetensors").is_file()


def test_tune_finds_an_adapter(files, colour_task, tmp_path):
    settings = {
        **files,
        "task": str(colour_task),
        "searcher": "successive_halving",
        "budget": {"slices": 4},
        "pool_size": 3,
        "output": str(tmp_path / "search"),
    }
    Path("tune.yaml").write_text(yaml.safe_dump(settings))
    assert main(["tune", "--config", "tune.yaml"]) == 0
    assert Path("search/result/adapter/adapter_model.safetensors").is_file()


def test_collect_in_cohorts_of_what_memory_holds(files, colour_task, tmp_path, accelerator):
    settings = {
        **files,
        "tasks": [str(colour_task)],
        "output": str(tmp_path / "collection"),
        "n_shared": 6,
        "cohort": "auto",
        "parts": str(tmp_path / "parts"),
        "parts_only": True,
    }
    Path("collect.yaml").write_text(yaml.safe_dump(settings))
    assert main(["collect", "--config", "collect.yaml"]) == 0
    records = [json.loads(path.read_text()) for path in tmp_path.glob("collection/trials/*/*/trial.json")]
    assert {record["status"] for record in records} == {"completed"}
    assert {s["cohort_size"] for record in records for s in record["curve"]} == {1 if accelerator == "cpu" else 6}
    assert list(tmp_path.glob("parts/part-*.parquet"))
    assert not Path("mlflow.db").exists()
