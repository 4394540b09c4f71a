"""Errors of Lightning and of missing packages: one sentence, and a traceback for those who ask."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lightning_quicktune.cli.main import main
from lightning_quicktune.cli.mistakes import sentence
from lightning_quicktune.compose import build, to_yaml

ROOT = Path(__file__).parents[2]
TUNE = ["--config", f"{ROOT}/configs/tune/suite_nano.yaml"]


@pytest.fixture
def fit(fit_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    fit_config["trainer"] |= {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    (tmp_path / "fit.yaml").write_text(to_yaml(fit_config))
    return ["fit", "--config", "fit.yaml"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_recipe_for_gpus_where_there_is_none_is_one_sentence(fit, capsys):
    assert main([*fit, "--trainer.accelerator", "gpu"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "lightning-quicktune fit: `trainer.accelerator` can't be had on this machine: No supported gpu"
    )
    assert line.endswith("or set `trainer.accelerator: cpu` and `trainer.precision: 32-true`.")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("subcommand", ["tune", "recommend", "collect"])
def test_so_it_is_where_the_recipe_is_that_of_trials(
    subcommand, fit_config, colour_task, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    fit_config["trainer"]["accelerator"] = "gpu"
    (tmp_path / "fit.yaml").write_text(to_yaml(fit_config))
    task = ["--tasks", f"[{colour_task}]"] if subcommand == "collect" else ["--task", str(colour_task)]
    words = {"tune": "--budget.slices 1 --searcher random --max_fidelity 1", "collect": "--max_fidelity 1 --n_shared 1"}
    curves = ["--surrogates.curves", "nano", "--allow_other_base_model", "true"]
    space = ["--space", f"{ROOT}/configs/space/lora.yaml"] if subcommand != "recommend" else curves
    told = [*words.get(subcommand, "").split(), *space, "--recipe", "fit.yaml", "--output", "out"]
    assert main([subcommand, *task, *told]) == 1
    assert f"{subcommand}: `trainer.accelerator` can't be had on this machine" in capsys.readouterr().err


@pytest.mark.parametrize("callback", ["ModelCheckpoint", "EarlyStopping"])
def test_a_metric_that_is_never_logged_is_found_before_training(callback, fit, monkeypatch, capsys):
    def training_step(self, batch, batch_idx):
        raise AssertionError

    monkeypatch.setattr("lightning_quicktune.finetune.finetuner.CausalLMFinetuner.training_step", training_step)
    watch = [f"--trainer.callbacks+=lightning.pytorch.callbacks.{callback}", "--trainer.callbacks.init_args.monitor"]
    assert main([*fit, "--trainer.enable_checkpointing", "true", *watch, "scores"]) == 2
    assert capsys.readouterr().err.endswith(
        f"`monitor` of {callback} in `trainer.callbacks` is 'scores', but CausalLMFinetuner logs score, "
        "val/answer_likelihood, val/loss. Did you mean `score`? Set `monitor` to one of them.\n"
    )


@pytest.mark.parametrize("score", ["answer_likelihood", "exact_match", "label_accuracy"])
def test_what_may_be_watched_is_what_is_logged(score, fit_config, tmp_path, monkeypatch):
    from lightning.pytorch import Trainer

    fit_config["model"]["init_args"]["score"] = {"name": score, "max_new_tokens": 2}
    fit_config["trainer"] |= {"max_epochs": 1, "enable_progress_bar": False, "enable_checkpointing": False}
    composed = build(fit_config)
    trainer = Trainer(
        **composed.trainer | {"logger": False, "default_root_dir": tmp_path, "enable_model_summary": False}
    )
    trainer.fit(composed.model, datamodule=composed.data)
    assert composed.model.fit_metrics == trainer.callback_metrics.keys()
    composed.model.release()


def test_an_optional_package_that_is_missing_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "lightning_quicktune.search.optuna_searcher", raising=False)
    assert main(["tune", *TUNE, "--output", str(tmp_path), "--searcher", "optuna"]) == 1
    error = capsys.readouterr().err
    assert "optuna" in error.splitlines()[-1]
    assert error.endswith("`pip install 'lightning-quicktune[optuna]'`, or choose another `searcher`.\n")
    assert "Traceback" not in error


def test_what_lightning_says_of_a_missing_package_is_in_one_line():
    error = ModuleNotFoundError("Requirement 'wandb' not met.\nTry:\n  pip install wandb")
    assert (
        sentence(error) == "Requirement 'wandb' not met. Try: pip install wandb. Install what is missing, then run the "
        "same command again."
    )
    assert "`pip install 'lightning-quicktune[optuna]'`" in sentence(ModuleNotFoundError("no", name="optuna.samplers"))


@pytest.mark.parametrize(
    "error", [KeyError("x"), AttributeError("x"), ImportError("x", name="lightning_quicktune.gone")]
)
def test_a_fault_of_the_program_keeps_its_traceback(error):
    assert sentence(error) is None


def test_debug_shows_the_traceback_and_the_sentence(fit, capsys):
    assert main([*fit, "--debug", "--model.init_args.lora.alpha_over_rank", "-1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Traceback")
    assert error.endswith("which would switch the adapter off. Set `model.init_args.lora.alpha_over_rank` above 0.\n")
    with pytest.raises(SystemExit):
        main([*fit, "--trainer.max_epoch", "1", "--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_without_debug_our_own_sentence_stands_alone(fit, capsys):
    assert main([*fit, "--model.init_args.lora.alpha_over_rank", "-1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lightning-quicktune fit: alpha over rank is -1.0, which would switch the adapter off.")


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_leave_their_core(before, after):
    code = (
        "import os, sys; from lightning_quicktune.cli.main import main; main(['describe', '--meta_dataset', 'gone']);"
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    known = {"PATH": "", "PYTHONPATH": str(ROOT)} | ({"OMP_WAIT_POLICY": before} if before else {})
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=known)
    assert done.stdout.split() == [after]


def test_settings_that_could_never_work_are_refused_before_anything_is_read(tmp_path, capsys):
    words = ["--documents", str(tmp_path / "gone"), "--output", str(tmp_path), "--llm.model", "m"]
    assert main(["synthesize", *words, "--llm.max_tries", "0"]) == 2
    assert "synthesize: `llm.max_tries` is 0, but below 1 no answer can come." in capsys.readouterr().err


RECIPE = f"{ROOT}/configs/recipe/nano_lora.yaml"
EXPORT = ["export", "--fit", RECIPE, "--output", "out"]
GIVEN_WRONGLY = [
    (["tun"], "there is no subcommand `tun`. Did you mean `tune`?"),
    (["tune", *TUNE, "--budget", "3"], "`budget` is 3, but a mapping of `budget.seconds`, `budget.slices` is expected"),
    (["tune", *TUNE, "--budget.slices", "-1"], "`budget.slices` is -1, but"),
    (["tune", *TUNE, "--max_fidelity", "0"], "`max_fidelity` is 0, but"),
    (["tune", *TUNE, "--recipe", "gone.yaml"], "`recipe` is '"),
    (["tune", *TUNE, "--task", "nofile"], "Correct `task`, or download"),
    (["tune", *TUNE, "--task", "one.jsonl"], "one file per split as `task`."),
    (["tune", *TUNE, "--tracking.uri", "nonsense://x"], "`tracking.uri` is 'nonsense://x', where"),
    (["tune", "--task", "nofile"], "`recipe` and `output` are not set."),
    (["recommend", "--recipe", RECIPE, "--output", "out", "--task", "nofile"], "Correct `task`, or download"),
    (["fit", "--config", RECIPE, "--lr", "3"], "Did you mean `model.init_args.optimizer.init_args.lr`?"),
    (["fit", "--config", RECIPE, "--data.init_args.path", "nofile"], "Correct `data.init_args.path`, or"),
    (["fit", "--config", RECIPE, "--data.init_args.batch_size", "0"], "`data.init_args.batch_size` is 0, but"),
    (["fit", "--config", RECIPE, "--ckpt_path", "gone.ckpt"], "`--ckpt_path` is gone.ckpt, and there is no such file"),
    (["collect", "--config", f"{ROOT}/configs/collect/suite_nano.yaml", "--shard", "5/2"], "`shard` is '5/2', but"),
    (["describe", "--meta_dataset", "gone"], "gone is not a meta-dataset"),
    ([*EXPORT, "--merge", "true"], "`checkpoint` is not set"),
    (["synthesize", "--documents", "gone", "--output", "x", "--llm.model", "m"], "`documents` is 'gone', which"),
]


@pytest.mark.parametrize(("words", "said"), GIVEN_WRONGLY, ids=lambda each: " ".join(each[:1] + each[-2:])[:60])
def test_a_mistake_in_what_was_given_ends_with_2(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.jsonl").write_text('{"question": "Why?", "answer": "So."}\n')
    output = ["--output", "out"] if words[0] == "tune" and len(words) > 3 else []
    try:
        status = main([*words, *output])
    except SystemExit as stopped:
        status = stopped.code
    assert (status, said in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("a setting"), 2),
        (FileNotFoundError("a file"), 2),
        (FileExistsError("a folder that holds something"), 2),
        (RuntimeError("another process works there"), 1),
        (ConnectionError("the server is away"), 1),
        (OSError(28, "No space left on device"), 1),
        (PermissionError("not yours"), 1),
        (ModuleNotFoundError("no", name="optuna"), 1),
        (MisconfigurationException("No supported gpu backend found!"), 1),
        (MisconfigurationException("`Trainer(devices=0)` value is not a valid input"), 2),
    ],
    ids=repr,
)
def test_what_could_not_be_done_ends_with_1(error, status, monkeypatch, capsys):
    def fail(words):
        raise error

    monkeypatch.setattr("lightning_quicktune.cli.tune.run", fail)
    assert main(["tune"]) == status
    assert capsys.readouterr().err.startswith("lightning-quicktune tune: ")


def test_inspect_names_the_key_that_was_typed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "--recipe", RECIPE, "--task", "nofile"]) == 2
    assert "Correct `task`, or download" in capsys.readouterr().out
