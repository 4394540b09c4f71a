#!/usr/bin/env python
"""Answers the prompts with transformers 4 and peft.

Usage: read_transformers4.py FOLDER (merged | adapter) ANSWERS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import peft
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(folder: Path, kind: str, output: Path) -> None:
    """Writes the greedy answers, and how the prompts are tokenized."""
    asked = json.loads((folder / "expected.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(folder / kind)
    model = AutoModelForCausalLM.from_pretrained(folder / ("merged" if kind == "merged" else "adapter/base"))
    if kind == "adapter":
        model = peft.PeftModel.from_pretrained(model, folder / "adapter")
    model.eval()
    ids = [tokenizer(prompt, add_special_tokens=False).input_ids for prompt in asked["prompts"]]
    with_edges = [tokenizer(prompt).input_ids for prompt in asked["prompts"]]
    answers = [answer(model, prompt, asked["n_tokens"]) for prompt in ids]
    version = f"transformers {transformers.__version__}, peft {peft.__version__}"
    told = {"version": version, "answers": answers, "n_prompt_tokens": [len(tokens) for tokens in with_edges]}
    output.write_text(json.dumps({**told, "prompt_ids": ids}))


def answer(model: torch.nn.Module, prompt: list[int], n_tokens: int) -> list[int]:
    """The likeliest tokens, one after the other."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(n_tokens):
            ids = torch.cat([ids, model(input_ids=ids).logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    return [int(token) for token in ids[0, len(prompt) :]]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
