"""A `fit` that is killed goes on from its last slice, whatever the score of that was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import read_yaml, to_yaml

RECIPES = sorted((Path(__file__).parents[2] / "configs" / "recipe").glob("*.yaml"))
KILLER = """
import os, signal
from lightning.pytorch import Callback

class KillAt(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 4:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def checkpoints_of(recipe: Path) -> list[dict]:
    callbacks = read_yaml(recipe)["trainer"]["callbacks"]
    return [c for c in callbacks if c["class_path"].endswith(".ModelCheckpoint")]


@pytest.fixture
def fit(fit_config, tmp_path, monkeypatch):
    """Writes a fit YAML of five slices with the checkpoints of a recipe; the score is to fall, and it doesn't."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])  # Lightning warns if pytest's words are there

    def write(folder, *callbacks):
        kept = checkpoints_of(RECIPES[0])
        kept[0]["init_args"]["mode"] = "min"
        for callback in kept:
            callback["init_args"]["dirpath"] = folder
        quiet = {"logger": False, "enable_progress_bar": False, "max_epochs": 5}
        fit_config["trainer"] |= {**quiet, "callbacks": [*kept, *callbacks]}
        (tmp_path / f"{folder}.yaml").write_text(to_yaml(fit_config))
        return ["fit", "--config", f"{folder}.yaml"]

    return write


def test_a_killed_fit_goes_on_from_its_last_slice_and_not_from_its_last_improvement(fit, tmp_path):
    """Takes seconds: a process of its own is started and killed at the start of the fifth slice."""
    assert main(fit("whole")) == 0
    (tmp_path / "killer.py").write_text(KILLER)
    command = fit("killed", {"class_path": "killer.KillAt"})
    killed = subprocess.run(
        [sys.executable, "-m", "lightning_quicktune", *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-1000:]
    assert torch.load("killed/best.ckpt", weights_only=True)["epoch"] == 0
    assert torch.load("killed/last.ckpt", weights_only=True)["epoch"] == 3
    assert main([*fit("killed"), "--ckpt_path", "killed/last.ckpt"]) == 0
    assert sorted(path.name for path in Path("killed").iterdir()) == ["best.ckpt", "last.ckpt"]
    whole, resumed = (torch.load(f"{f}/last.ckpt", weights_only=True)["state_dict"] for f in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_each_recipe_keeps_its_best_and_its_last_slice_apart_in_that_order(recipe):
    best, last = checkpoints_of(recipe)
    assert best["init_args"] == {"filename": "best", "monitor": "score", "mode": "max"}
    assert last["init_args"] == {"filename": "last"}


def test_a_last_checkpoint_that_follows_the_score_is_said(fit, tmp_path):
    command = fit("told")
    kept = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint"}
    kept["init_args"] = {"dirpath": "told", "monitor": "score", "mode": "max", "save_last": True}
    config = read_yaml(tmp_path / "told.yaml")
    config["trainer"] |= {"callbacks": [kept], "max_epochs": 1}
    (tmp_path / "told.yaml").write_text(to_yaml(config))
    with pytest.warns(UserWarning, match=r"only where the score improves.*Add a second ModelCheckpoint"):
        assert main(command) == 0


@pytest.mark.parametrize("flag", ["--optimizer", "--lr_scheduler"])
def test_flags_that_would_do_nothing_are_refused(fit, capsys, flag):
    value = {"--optimizer": "torch.optim.SGD", "--lr_scheduler": "torch.optim.lr_scheduler.StepLR"}[flag]
    with pytest.raises(SystemExit):
        main([*fit("flags"), f"{flag}={value}"])
    assert flag.strip("-") in capsys.readouterr().err
