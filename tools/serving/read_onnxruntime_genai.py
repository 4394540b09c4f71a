#!/usr/bin/env python
"""Builds and answers with onnxruntime-genai.

Usage: read_onnxruntime_genai.py FOLDER merged ANSWERS
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnxruntime_genai as og


def main(folder: Path, kind: str, output: Path) -> None:
    """Writes the greedy answers."""
    asked = json.loads((folder / "expected.json").read_text())
    built = folder / "onnx"
    build = ["-m", "onnxruntime_genai.models.builder", "-i", str(folder / kind), "-o", str(built)]
    cache = ["-c", str(folder / "onnx-cache"), "-p", "fp32", "-e", "cpu"]
    subprocess.run([sys.executable, *build, *cache], check=True)
    model = og.Model(str(built))
    tokenizer = og.Tokenizer(model)
    answers, prompt_ids = [], []
    for prompt in asked["prompts"]:
        ids = [int(token) for token in tokenizer.encode(prompt)]
        params = og.GeneratorParams(model)
        params.set_search_options(max_length=len(ids) + asked["n_tokens"], do_sample=False)
        generator = og.Generator(model, params)
        generator.append_tokens(ids)
        while not generator.is_done():
            generator.generate_next_token()
        prompt_ids.append(ids)
        answers.append([int(token) for token in generator.get_sequence(0)][len(ids) :])
    told = {"version": f"onnxruntime-genai {og.__version__}", "answers": answers, "prompt_ids": prompt_ids}
    output.write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
