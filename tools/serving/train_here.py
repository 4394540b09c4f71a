#!/usr/bin/env python
"""Trains recipes here and writes them for other trainers.

Usage: tools/serving/train_here.py BASE_MODEL FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import read_yaml, to_yaml, with_overrides

ROOT = Path(__file__).resolve().parents[2]
ADAMW = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 5e-3, "weight_decay": 0.1, "betas": [0.9, 0.95]}}
ADAFACTOR = {"class_path": "lightning_quicktune.finetune.adafactor.Adafactor", "init_args": {"lr": 0.05}}
SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "momentum": 0.9}}
RECIPES = {
    "adamw": {"optimizer": ADAMW, "lora": {"rank": 4, "variant": "rslora"}, "lora_plus_ratio": 4.0},
    "adafactor": {
        "optimizer": {**ADAFACTOR, "init_args": {"lr": 0.05, "weight_decay": 0.1}},
        "lora": {"rank": 4, "initialization": "orthogonal"},
        "lora_plus_ratio": 4.0,
    },
    "adafactor_of_torch": {
        "optimizer": {**ADAFACTOR, "class_path": "torch.optim.Adafactor"},
        "lora": {"rank": 4, "initialization": "orthogonal"},
    },
    "sgd": {"optimizer": SGD, "lora": {"rank": 4}, "label_smoothing": 0.1, "schedule": {"name": "constant"}},
    "dora": {"optimizer": ADAMW, "lora": {"rank": 4, "variant": "dora"}, "schedule": {"name": "cosine"}},
    "pissa": {"optimizer": ADAMW, "lora": {"rank": 4, "initialization": "pissa_niter_16"}},
}


def train(base_model: str, folder: Path) -> None:
    """Each recipe takes three steps of two micro-batches of four records of unlike lengths."""
    records = [{"question": f"What is thing {n}?", "answer": "blue bread " * (n % 5) + f"{n}"} for n in range(40)]
    (folder / "task").mkdir(parents=True)
    for split, rows in {"train": records[:24], "validation": records[24:32], "test": records[32:]}.items():
        (folder / "task" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, recipe in RECIPES.items():
        place = folder / name
        last = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"filename": "last"}}
        changes = {
            "trainer.default_root_dir": str(place),
            "trainer.max_epochs": 1,
            "trainer.accumulate_grad_batches": 2,
            "trainer.gradient_clip_val": 0.5,
            "trainer.logger": False,
            "trainer.callbacks": [last],
            "model.init_args.base_model.name": base_model,
            "model.init_args.schedule": {"name": "linear", "warmup_fraction": 0.4},
            "data.init_args.path": str(folder / "task"),
            "data.init_args.batch_size": 4,
            "data.init_args.records_per_slice": 24,
        }
        changes |= {f"model.init_args.{key}": value for key, value in recipe.items()}
        fit = with_overrides(read_yaml(ROOT / "configs" / "recipe" / "nano_lora.yaml"), changes)
        place.mkdir()
        (place / "fit.yaml").write_text(to_yaml(fit))
        done = main(["fit", "--config", str(place / "fit.yaml")])
        for trainer in ("trl", "llamafactory", "axolotl"):
            words = ["--as", trainer, "--output", str(place / trainer)]
            done += main(["export", "--fit", str(place / "fit.yaml"), *words])
        if done:
            raise SystemExit(f"tools/serving/train_here.py: {name} failed, see above.")


if __name__ == "__main__":
    words, sys.argv = sys.argv[1:], sys.argv[:1]  # Lightning warns of words that aren't its own
    train(words[0], Path(words[1]))
