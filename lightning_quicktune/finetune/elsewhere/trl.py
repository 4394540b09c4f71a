"""A fit as a script for TRL, in which all of it can be said but the draws of random numbers."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from pprint import pformat
from typing import Any

from lightning_quicktune.finetune.elsewhere.carried import Carried

_SCRIPT = '''"""Trains with TRL as the recipe says.{notes}
Usage: python train.py [OUTPUT]
Steps are counted for one device: where there are more, set CUDA_VISIBLE_DEVICES=0.
"""

import importlib
import json
import sys
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

HERE = Path(__file__).parent
BASE_MODEL = {base}
REVISION = {revision}
OPTIMIZER = {optimizer}
GROUPS = {groups}  # by kind of adapter weight
SETTINGS = {settings}


class Trainer(SFTTrainer):
    """Takes the records in the order of the file, and one optimizer group for each kind of weight."""

    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def create_optimizer(self, *args, **kwargs):
        module, name = OPTIMIZER.rsplit(".", 1)
        groups = []
        for group in GROUPS:
            weights = [(n, w) for n, w in self.model.named_parameters() if w.requires_grad]
            own = [w for n, w in weights if any(kind in n for kind in group["kinds"])]
            settings = {{key: value for key, value in group.items() if key != "kinds"}}
            groups.append({{"params": own, **settings}})
        self.optimizer = getattr(importlib.import_module(module), name)(groups)
        self.optimizer.register_step_pre_hook(remember)
        self.optimizer.register_step_post_hook(go_further)
        return self.optimizer


def remember(optimizer, *_):
    for group in optimizer.param_groups:
        if "update_scale" in group:  # LoRA+: its weights move so many times as far
            group["before"] = [w.detach().clone() for w in group["params"]]


@torch.no_grad()
def go_further(optimizer, *_):
    for group in optimizer.param_groups:
        if "update_scale" in group:
            torch._foreach_lerp_(group["params"], group.pop("before"), 1 - group["update_scale"])


def main(output):
    tokenizer = AutoTokenizer.from_pretrained(HERE / "start")
    base = AutoModelForCausalLM.from_pretrained(BASE_MODEL, revision=REVISION, dtype=torch.{dtype})
    torch.manual_seed(0)  # an adapter that begins with a part of the base weights finds the same part
    model = PeftModel.from_pretrained(base, HERE / "start", is_trainable=True)
    rows = [json.loads(line) for line in (HERE / "train.jsonl").read_text().splitlines()]
    config = SFTConfig(output_dir=output, **SETTINGS)
    trainer = Trainer(model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    trainer.train()
    trainer.save_model(output)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(HERE / "trained"))
'''


def settings_of_trl(carried: Carried) -> dict[str, Any]:
    """The arguments of TRL's ``SFTConfig``."""
    return {
        **carried.named_by_transformers(),
        "per_device_train_batch_size": carried.batch_size,
        "lr_scheduler_type": carried.scheduler,
        "label_smoothing_factor": carried.label_smoothing,
        "neftune_noise_alpha": carried.neftune_alpha or None,
        "gradient_checkpointing": carried.gradient_checkpointing,
        "max_length": None,
        "packing": False,
        "save_strategy": "no",
        "report_to": "none",
        "logging_steps": 1,
    }


def not_said_in_trl(carried: Carried) -> list[str]:
    """What that training does otherwise."""
    notes = carried.done_otherwise()
    if carried.lora["dropout"]:
        notes.append("lora.dropout: the same share, other draws")
    if carried.lora["initialization"] == "pissa_niter_16":
        notes.append(
            "lora.initialization: whoever loads the trained adapter has to call `torch.manual_seed(0)` before, as "
            "train.py does, so that the same part of the base weights is taken out"
        )
    return notes


def write_trl(carried: Carried, folder: Path) -> list[str]:
    """Writes ``train.py``, ``train.jsonl``, and the optimizer's own file where it is a class of this package.

    The adapter's first weights are written by the caller into ``start``.

    Args:
        carried: The fit.
        folder: Where to write.

    Returns:
        What can't be said there.
    """
    notes = not_said_in_trl(carried)
    told = "".join(f"\n  - {note}" for note in notes)
    script = _SCRIPT.format(
        notes=f"\n\nWhat can't be said here:{told}\n" if notes else "\n",
        base=repr(carried.base.source),
        revision=repr(carried.base.revision),
        optimizer=repr(_optimizer(carried.optimizer, folder)),
        groups=pformat(list(carried.groups), sort_dicts=False),
        settings=pformat(settings_of_trl(carried), sort_dicts=False),
        dtype=carried.dtype,
    )
    (folder / "train.py").write_text(script, encoding="utf-8")
    rows = "".join(json.dumps(row) + "\n" for row in carried.rows)
    (folder / "train.jsonl").write_text(rows, encoding="utf-8")
    return notes


def _optimizer(path: str, folder: Path) -> str:
    """The class path of the optimizer; one of this package is copied beside the script, for which torch is enough."""
    module, name = path.rsplit(".", 1)
    if not module.startswith("lightning_quicktune."):
        return path
    source = Path(str(import_module(module).__file__))
    shutil.copyfile(source, folder / source.name)
    return f"{source.stem}.{name}"
