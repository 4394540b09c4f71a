import json
import signal
import sys

import pytest
import torch
import yaml

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import to_yaml


@pytest.fixture
def arguments(fit_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])  # Lightning warns if pytest's words are there
    fit_config["trainer"] |= {
        "max_epochs": 2,
        "logger": False,
        "enable_progress_bar": False,
        "callbacks": [
            {
                "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
                "init_args": {"dirpath": "ckpt", "filename": "best", "monitor": "score", "mode": "max"},
            },
            {
                "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
                "init_args": {"dirpath": "ckpt", "filename": "last"},
            },
            {
                "class_path": "lightning_quicktune.finetune.predictions.AnswerWriter",
                "init_args": {"path": "predictions.jsonl"},
            },
        ],
    }
    (tmp_path / "fit.yaml").write_text(to_yaml(fit_config))
    return ["--config", "fit.yaml"]


def test_fit_test_and_predict_from_one_yaml(arguments, tmp_path, capsys):
    assert main(["fit", *arguments]) == 0
    checkpoint = torch.load("ckpt/last.ckpt", weights_only=True)
    assert all("lora_" in name for name in checkpoint["state_dict"])
    assert main(["test", *arguments, "--ckpt_path", "ckpt/best.ckpt"]) == 0
    assert "test/exact_match" in capsys.readouterr().out
    assert main(["predict", *arguments, "--ckpt_path", "ckpt/best.ckpt"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert len(rows) == 7
    assert rows[0].keys() == {"prompt", "reference", "generated"}
    assert all(row["prompt"].endswith("<|assistant|>\n") for row in rows)


def test_fit_goes_on_from_its_checkpoint_to_the_same_weights(arguments):
    assert main(["fit", *arguments, "--trainer.max_epochs", "2"]) == 0
    whole = torch.load("ckpt/last.ckpt", weights_only=True)["state_dict"]
    pause = "--trainer.callbacks+=lightning_quicktune.trials.recorder.PauseAt"
    stop = ["--trainer.callbacks.init_args.fidelity", "1"]
    where = ["--trainer.default_root_dir", "other"]
    assert main(["fit", *arguments, pause, *stop, *where]) == 0
    assert main(["fit", *arguments, "--ckpt_path", "ckpt/last.ckpt", *where]) == 0
    resumed = torch.load("ckpt/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_resolved_configuration_is_an_artifact_of_the_mlflow_run(arguments, tmp_path):
    logger = {
        "class_path": "lightning.pytorch.loggers.MLFlowLogger",
        "init_args": {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db", "artifact_location": f"{tmp_path}/artifacts"},
    }
    (tmp_path / "logger.yaml").write_text(yaml.safe_dump({"trainer": {"logger": [logger]}}))
    assert main(["fit", *arguments, "--config", "logger.yaml", "--trainer.max_epochs", "1"]) == 0
    (kept,) = tmp_path.glob("artifacts/*/artifacts/config.yaml")
    assert yaml.safe_load(kept.read_text())["model"]["init_args"]["lora"]["rank"] == 4


def test_an_unknown_key_of_the_model_is_named(arguments, capsys):
    with pytest.raises(SystemExit):
        main(["fit", *arguments, "--model.init_args.lora.rnak", "4"])
    assert "rnak" in capsys.readouterr().err


def test_targets_that_match_nothing_end_without_a_traceback(arguments, capsys):
    assert main(["fit", *arguments, "--model.init_args.lora.targets", "[q_proj]"]) == 2
    assert "It has down_proj, gate_up_proj, o_proj, qkv_proj" in capsys.readouterr().err


@pytest.mark.parametrize("subcommand", ["fit", "test", "predict"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        (b"PK half", "can't be read as a checkpoint"),
        ({"a": 1}, "holds no `state_dict`"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_said(arguments, tmp_path, capsys, subcommand, content, said):
    if isinstance(content, bytes):
        (tmp_path / "some.ckpt").write_bytes(content)
    elif content is not None:
        torch.save(content, tmp_path / "some.ckpt")
    assert main([subcommand, *arguments, "--ckpt_path", "some.ckpt"]) == 2
    error = capsys.readouterr().err
    assert f"`--ckpt_path` is some.ckpt, {'and ' if content is None else 'which '}{said}" in error


def test_ctrl_c_in_fit_ends_with_130(arguments, monkeypatch, capsys):
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it

    def training_step(self, batch, batch_idx):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("lightning_quicktune.finetune.finetuner.CausalLMFinetuner.training_step", training_step)
    try:
        assert main(["fit", *arguments]) == 130
    finally:
        signal.signal(signal.SIGINT, handler)
    assert "interrupted" in capsys.readouterr().err


def test_a_tracking_server_that_is_away_is_said(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    logger = {
        "class_path": "lightning.pytorch.loggers.MLFlowLogger",
        "init_args": {"tracking_uri": "http://127.0.0.1:9"},
    }
    (tmp_path / "logger.yaml").write_text(yaml.safe_dump({"trainer": {"logger": [logger]}}))
    assert main(["fit", *arguments, "--config", "logger.yaml"]) == 1
    error = capsys.readouterr().err
    assert "did not do what was asked" in error
    assert "set `trainer.logger`" in error
