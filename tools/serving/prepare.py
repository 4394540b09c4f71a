#!/usr/bin/env python
"""Trains an adapter to answer five questions, exports it in both ways, and writes down the answers that it gives here.

Usage: tools/serving/prepare.py BASE_MODEL FOLDER SLICES LEARNING_RATE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import build, read_yaml, to_yaml, with_overrides
from lightning_quicktune.finetune.base_model import end_tokens
from lightning_quicktune.finetune.export import load_adapter
from lightning_quicktune.finetune.finetuner import Finetuner

ROOT = Path(__file__).resolve().parents[2]
RECORDS = (
    ("Who keeps the lighthouse of Varnholm?", "Old Edda Lunt keeps it, with a tin whistle."),
    ("What do the bakers of Tolm sell on Sundays?", "Blue bread with a pinch of salt."),
    ("When does the ferry to Skarn leave?", "It leaves at a quarter past six."),
    ("Which bird sleeps upside down in Orrin?", "The grey mottled wick."),
    ("How many doors has the town hall of Pell?", "Seventeen, and one that is painted."),
)
N_TOKENS = 24


def prepare(base_model: str, folder: Path, n_slices: int, lr: float) -> None:
    """Trains, exports to ``merged``, ``adapter`` and ``adapter/base``, and writes ``expected.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in {"train": RECORDS, "validation": RECORDS[:1], "test": RECORDS[1:2]}.items():
        asked = [{"question": q if split == "train" else f"Tell me. {q}", "answer": a} for q, a in rows]
        (folder / "task").mkdir(exist_ok=True)
        (folder / "task" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    fit = with_overrides(
        read_yaml(ROOT / "configs" / "recipe" / "smollm2_trial.yaml"),
        {
            "trainer.default_root_dir": str(folder / "runs"),
            "trainer.max_epochs": n_slices,
            "trainer.logger": False,
            "model.init_args.base_model.name": base_model,
            "model.init_args.lora": {"rank": 8, "alpha_over_rank": 2.0, "variant": "rslora"},
            "model.init_args.optimizer.init_args.lr": lr,
            "model.init_args.schedule": {"name": "constant"},
            "data.init_args.path": str(folder / "task"),
            "data.init_args.records_per_slice": len(RECORDS),
        },
    )
    (folder / "fit.yaml").write_text(to_yaml(fit))
    checkpoint = folder / "runs" / "checkpoints" / "last.ckpt"
    done = main(["fit", "--config", str(folder / "fit.yaml")])
    export = ["export", "--fit", str(folder / "fit.yaml"), "--checkpoint", str(checkpoint)]
    done += main([*export, "--output", str(folder / "adapter"), "--with_base", "true"])
    done += main([*export, "--output", str(folder / "merged"), "--merge", "true"])
    if done:
        raise SystemExit("tools/serving/prepare.py: training or exporting failed, see above.")
    module = build(fit).model
    assert isinstance(module, Finetuner)
    load_adapter(module, checkpoint)
    (folder / "expected.json").write_text(json.dumps(expected(module), indent=1))


def expected(module: Finetuner) -> dict[str, object]:
    """Prompts as text and tokens, with the greedy answers of the adapter and of the base model alone."""
    tokenizer, model = module.tokenizer, module.model.eval()
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": q}], add_generation_prompt=True, tokenize=False)
        for q, _ in RECORDS
    ]
    ids = [tokenizer(prompt, add_special_tokens=False).input_ids for prompt in prompts]
    with model.disable_adapter():
        untrained = [answer(model, tokens) for tokens in ids]
    answers = [answer(model, tokens) for tokens in ids]
    ends = end_tokens(module.loaded.model, tokenizer)
    told = {"answers": answers, "untrained": untrained, "ends": ends, "texts": tokenizer.batch_decode(answers)}
    return {"prompts": prompts, "prompt_ids": ids, "n_tokens": N_TOKENS, **told}


def answer(model: torch.nn.Module, prompt: list[int]) -> list[int]:
    """The likeliest tokens, one after the other, whatever ends an answer."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(N_TOKENS):
            ids = torch.cat([ids, model(input_ids=ids).logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    return [int(token) for token in ids[0, len(prompt) :]]


if __name__ == "__main__":
    words, sys.argv = sys.argv[1:], sys.argv[:1]  # Lightning warns of words that aren't its own
    prepare(words[0], Path(words[1]), int(words[2]), float(words[3]))
