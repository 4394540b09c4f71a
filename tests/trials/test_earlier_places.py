"""Files that were written when the finetuners had modules of their own are taken as they are."""

import json
from dataclasses import asdict

import pytest
import torch
import yaml

from lightning_quicktune.cli.lightning import run
from lightning_quicktune.compose import build, read_yaml
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner, Seq2SeqFinetuner
from lightning_quicktune.trials.identity import label_settings, settings_digest
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial

# As `trials` wrote them, but for the two paths and the slices.
FIT_YAML = """\
seed_everything: 7
trainer:
  accelerator: cpu
  devices: 1
  max_epochs: 4
  accumulate_grad_batches: 1
  gradient_clip_val: 1.0
  use_distributed_sampler: false
  num_sanity_val_steps: 0
model:
  class_path: lightning_quicktune.finetune.causal_lm.CausalLMFinetuner
  init_args:
    base_model:
      name: BASE_MODEL
    lora:
      rank: 4
      dropout: 0.1
    optimizer:
      class_path: torch.optim.AdamW
      init_args:
        lr: 0.01
    schedule:
      name: linear
      warmup_fraction: 0.1
    score:
      max_new_tokens: 4
data:
  class_path: lightning_quicktune.data.datamodule.TaskData
  init_args:
    path: DATA
    batch_size: 4
    records_per_slice: 16
"""
RECORD = {
    "task": "colours",
    "base_model": "tiny-phi3",
    "metric": "answer_likelihood",
    "configuration": {"lr": 0.01, "lora_rank": 4, "schedule": "linear"},
    "seed": 7,
    "max_fidelity": 4,
    "curve": [],
    "status": "paused",
    "failure": None,
    "overheads": {"start_s": 1.1, "resume_s": 0.0, "test_s": 0.0, "save_s": 0.6, "unfinished_s": 0.0},
    "device": {"name": "cpu x86_64", "count": 1, "threads": 1, "load_average": 10.3, "reference_step_s": 0.044},
    "label_version": 2,
}
LABEL_DIGEST = "6f36a71a2ca2732f"  # of the YAML above with `tiny` as its base model, made at its time


@pytest.fixture
def written(tiny_phi3, colour_task):
    """The fit YAML as it was written."""
    return FIT_YAML.replace("BASE_MODEL", str(tiny_phi3)).replace("DATA", str(colour_task))


@pytest.fixture
def paused(make_plan, written) -> TrialPlan:
    """A trial that was paused after two slices, with its files in the words of that time."""
    plan = make_plan("trial")
    trial = run_trial(plan, 2)
    fit = yaml.safe_load(written)
    record = {
        **RECORD,
        "curve": [asdict(s) for s in trial.curve.slices],
        "versions": dict(trial.versions),
        "fit": fit,
        "base_model_hash": trial.base_model_hash,
        "content_digest": trial.content_digest,
    }
    (plan.folder / "trial.json").write_text(json.dumps(record))
    (plan.folder / "fit.yaml").write_text(written)
    return plan


@pytest.mark.parametrize(
    ("place", "kind"),
    [("causal_lm.CausalLMFinetuner", CausalLMFinetuner), ("seq2seq.Seq2SeqFinetuner", Seq2SeqFinetuner)],
)
def test_the_earlier_place_of_a_class_is_the_class(fit_config, place, kind):
    fit_config["model"]["class_path"] = f"lightning_quicktune.finetune.{place}"
    assert type(build(fit_config).model) is kind
    moved = {**fit_config, "model": {**fit_config["model"], "class_path": f"{kind.__module__}.{kind.__qualname__}"}}
    assert label_settings(moved) == label_settings(fit_config)
    assert settings_digest(moved) == settings_digest(fit_config)


def test_settings_have_the_digest_that_they_had():
    assert settings_digest(yaml.safe_load(FIT_YAML.replace("BASE_MODEL", "tiny"))) == LABEL_DIGEST


def test_a_paused_trial_goes_on_from_its_checkpoint(paused, make_plan):
    before = read_trial(paused.folder)
    trial = run_trial(paused, 3)
    assert trial.curve.slices[:2] == before.curve.slices
    whole = run_trial(make_plan("whole"), 3)
    assert [s.score for s in trial.curve.slices] == [s.score for s in whole.curve.slices]


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # a trial's callbacks, which `fit` lacks
def test_fit_takes_the_yaml_and_the_checkpoint(paused, tmp_path):
    checkpoint = paused.folder / "last.ckpt"
    assert "lightning_quicktune" not in str(torch.load(checkpoint, weights_only=True).get("hyper_parameters", ""))
    again = ["--trainer.default_root_dir", str(tmp_path), "--trainer.enable_progress_bar=false"]
    run(["fit", "--config", str(paused.folder / "fit.yaml"), "--ckpt_path", str(checkpoint), *again])
    assert read_yaml(paused.folder / "fit.yaml")["model"]["class_path"].split(".")[2] == "causal_lm"
    kept = next(tmp_path.glob("lightning_logs/*/checkpoints/*.ckpt"))
    assert torch.load(kept, weights_only=True)["epoch"] == 3
