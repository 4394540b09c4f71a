"""What differs with two processes; gloo on a CPU. Run with ``pytest -m slow``."""

import json
import subprocess
import sys

import pytest
import yaml

pytestmark = pytest.mark.slow


def run(folder, subcommand, *flags):
    command = [sys.executable, "-m", "lightning_quicktune", subcommand, "--config", "fit.yaml", *flags]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def folder(fit_config, tmp_path):
    fit_config["trainer"] |= {"logger": False, "max_epochs": 2, "enable_progress_bar": False}
    fit_config["trainer"]["callbacks"] = [
        {
            "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
            "init_args": {"dirpath": "ckpt", "filename": "last"},
        },
        {
            "class_path": "lightning_quicktune.finetune.predictions.AnswerWriter",
            "init_args": {"path": "predictions.jsonl"},
        },
    ]
    fit_config["model"]["init_args"]["lora"]["dropout"] = 0.0
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(fit_config))
    return tmp_path


TWO = ("--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.init_args.batch_size", "2")


@pytest.mark.parametrize("n_records", [16, 9], ids=["even", "a last step of fewer records than devices"])
def test_complaint_token_mean_two_processes_train_the_same_adapter_as_one_within_1e_4(folder, n_records):
    import torch

    slices = ("--data.init_args.records_per_slice", str(n_records))
    run(folder, "fit", *slices)
    alone = torch.load(folder / "ckpt" / "last.ckpt", weights_only=True)["state_dict"]
    (folder / "ckpt" / "last.ckpt").unlink()
    run(folder, "fit", *slices, *TWO)
    together = torch.load(folder / "ckpt" / "last.ckpt", weights_only=True)["state_dict"]
    assert alone.keys() == together.keys()
    for name in alone:
        torch.testing.assert_close(alone[name], together[name], rtol=1e-3, atol=1e-4)


def test_complaint_token_mean_two_processes_of_4_give_the_gradient_of_8_within_1e_5(folder):
    import torch

    one_step = (
        "--trainer.max_epochs",
        "1",
        "--data.init_args.records_per_slice",
        "8",
        "--trainer.gradient_clip_val",
        "0",
    )
    plain = (
        "--model.init_args.optimizer",
        "torch.optim.SGD",
        "--model.init_args.optimizer.init_args.lr",
        "1.0",
        "--model.init_args.schedule.name",
        "constant",
        "--model.init_args.schedule.warmup_fraction",
        "0",
    )
    found = []
    for shape in (("--data.init_args.batch_size", "8"), (*TWO[:-1], "4")):
        run(folder, "fit", *one_step, *plain, *shape)
        weights = torch.load(folder / "ckpt" / "last.ckpt", weights_only=True)["state_dict"]
        found.append({name: w for name, w in weights.items() if "lora_B" in name})  # 0 before: now minus the gradient
        (folder / "ckpt" / "last.ckpt").unlink()
    alone, together = found
    assert any(weight.abs().max() > 1e-4 for weight in alone.values())
    for name in alone:
        torch.testing.assert_close(together[name], alone[name], rtol=1e-5, atol=1e-8)


def test_each_of_an_odd_number_of_records_is_predicted_and_tested_exactly_once(folder):
    run(folder, "predict", *TWO)
    rows = [json.loads(line) for path in folder.glob("predictions*.jsonl") for line in path.read_text().splitlines()]
    assert len(rows) == len({row["prompt"] for row in rows}) == 7
    alone, together = (metrics_of(run(folder, "test", *flags)) for flags in ((), TWO))
    assert alone == pytest.approx(together, rel=1e-4)


def metrics_of(output):
    """Metrics of the table that Lightning prints."""
    cells = [line.split("│") for line in output.splitlines() if "test/" in line]
    return {name.strip(): float(value) for _, name, value, _ in cells}
