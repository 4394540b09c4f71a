#!/usr/bin/env python
"""Converts and answers with LitGPT.

Usage: read_litgpt.py FOLDER merged ANSWERS
"""

from __future__ import annotations

import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from litgpt import GPT, Config, Tokenizer
from litgpt.scripts.convert_hf_checkpoint import convert_hf_checkpoint

NAME = "SmolLM2-135M-Instruct"


def main(folder: Path, kind: str, output: Path) -> None:
    """Writes the greedy answers."""
    asked = json.loads((folder / "expected.json").read_text())
    converted = folder / "litgpt" / NAME
    shutil.copytree(folder / kind, converted, dirs_exist_ok=True)
    convert_hf_checkpoint(converted, model_name=NAME)
    model = GPT(Config.from_file(converted / "model_config.yaml"))
    model.load_state_dict(torch.load(converted / "lit_model.pth", weights_only=True))
    model.eval()
    tokenizer = Tokenizer(converted)
    prompt_ids = [tokenizer.encode(prompt).tolist() for prompt in asked["prompts"]]
    answers = [answer(model, prompt, asked["n_tokens"]) for prompt in prompt_ids]
    told = {"version": f"litgpt {version('litgpt')}", "answers": answers, "prompt_ids": prompt_ids}
    output.write_text(json.dumps(told))


def answer(model: torch.nn.Module, prompt: list[int], n_tokens: int) -> list[int]:
    """The likeliest tokens, one after the other."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(n_tokens):
            ids = torch.cat([ids, model(ids)[:, -1].argmax(-1, keepdim=True)], dim=1)
    return [int(token) for token in ids[0, len(prompt) :]]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
