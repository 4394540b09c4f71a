"""``export`` from the command line, and what ``fit`` kept through all that takes a fit YAML."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import read_yaml, to_yaml


@pytest.fixture
def fitted(fit_config, tmp_path, monkeypatch):
    """A fit of one slice under Lightning's own logger; the ``config.yaml`` and the checkpoint that it kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])  # Lightning warns if pytest's words are there
    last = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"filename": "last"}}
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "logs"}}
    quiet = {"max_epochs": 1, "enable_progress_bar": False, "log_every_n_steps": 1}
    fit_config["trainer"] |= {**quiet, "callbacks": [last], "logger": logger}
    (tmp_path / "fit.yaml").write_text(to_yaml(fit_config))
    assert main(["fit", "--config", "fit.yaml"]) == 0
    (config,), (checkpoint,) = tmp_path.rglob("config.yaml"), tmp_path.rglob("last.ckpt")
    return str(config), str(checkpoint)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_what_fit_kept_goes_through_export_inspect_tune_collect_and_fit_again(
    fitted, small_space, colour_task, tmp_path, capsys
):
    """Takes seconds: each subcommand runs once."""
    config, checkpoint = fitted
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))
    assert "optimizer" not in yaml.safe_load(Path(config).read_text())  # the model's own is under `model`
    assert main(["fit", "--config", config, "--trainer.max_epochs", "1"]) == 0
    assert main(["export", "--fit", config, "--checkpoint", checkpoint, "--output", "adapter"]) == 0
    said = capsys.readouterr().out
    assert "on no hub: `--with_base true` writes it beside the adapter" in said
    assert str(colour_task) in (tmp_path / "adapter" / "README.md").read_text()
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert main(["export", "--fit", config, "--as", "axolotl", "--output", "elsewhere"]) == 0
    assert yaml.safe_load((tmp_path / "elsewhere" / "axolotl.yaml").read_text())["lora_r"] == 4
    assert main(["inspect", "--recipe", config]) == 0
    common = ["--recipe", config, "--space", "space.yaml", "--max_fidelity", "1"]
    tracking = ["--tracking.uri", f"sqlite:///{tmp_path}/mlflow.db", "--tracking.experiment", "all"]
    search = ["--searcher", "random", "--budget.slices", "1", "--pool_size", "2", "--compare", "[]"]
    assert main(["tune", "--task", str(colour_task), "--output", "tuned", *common, *search, *tracking]) == 0
    assert json.loads((tmp_path / "tuned/result/adapter/adapter_config.json").read_text())["lora_alpha"] > 0
    card = (tmp_path / "tuned/result/adapter/README.md").read_text()
    assert "slices: 1" in card
    assert main(["fit", "--config", "tuned/result/fit.yaml", "--trainer.max_epochs", "1"]) == 0
    collect = ["collect", "--tasks", f"[{colour_task}]", "--output", "collected", "--n_shared", "1", *common, *tracking]
    assert main(collect) == 0


def test_what_fit_kept_of_one_call_is_not_taken_for_the_recipe(fitted, tmp_path):
    config, _ = fitted
    content = yaml.safe_load(Path(config).read_text())
    (tmp_path / "resumed.yaml").write_text(yaml.safe_dump({**content, "ckpt_path": "old.ckpt", "weights_only": True}))
    assert not {"ckpt_path", "weights_only"} & read_yaml(tmp_path / "resumed.yaml").keys()


def test_export_into_a_folder_with_a_model_is_refused_before_anything_is_loaded(fitted, tmp_path, capsys):
    config, _ = fitted
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "model.safetensors").write_text("")
    command = ["export", "--fit", config, "--checkpoint", "none.ckpt", "--output", "there"]
    assert main(command) == 2
    assert "holds an adapter or a model already (model.safetensors)" in capsys.readouterr().err
    assert main([*command[:-1], "new", "--merge", "true", "--with_base", "true"]) == 2
    assert "a merged model holds its base" in capsys.readouterr().err
