#!/usr/bin/env python
"""Converts with llama.cpp's scripts and answers with its server.

Usage: read_llama_cpp.py FOLDER (merged | adapter) ANSWERS

The scripts are those in the source package of llama-cpp-python, the server is that of xllamacpp.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import xllamacpp

SOURCE = Path(os.environ["LLAMA_CPP_SOURCE"])


def convert(script: str, *words: str) -> None:
    """Runs one of the converters."""
    subprocess.run([sys.executable, str(SOURCE / script), *words], check=True)


def main(folder: Path, kind: str, output: Path) -> None:
    """Writes the greedy answers, and how many tokens each prompt has."""
    asked = json.loads((folder / "expected.json").read_text())
    source = folder / ("merged" if kind == "merged" else "adapter/base")
    model = folder / f"{kind}-model.gguf"
    convert("convert_hf_to_gguf.py", str(source), "--outtype", "f32", "--outfile", str(model))
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx, params.n_parallel, params.cache_prompt, params.port = 512, 1, False, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if kind == "adapter":
        lora = folder / "adapter-lora.gguf"
        base = ("--base", str(source), "--outtype", "f32", "--outfile", str(lora))
        convert("convert_lora_to_gguf.py", *base, str(folder / "adapter"))
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(lora), 1.0)]
    server = xllamacpp.Server(params)
    replies = [reply(server, prompt, asked["n_tokens"]) for prompt in asked["prompts"]]
    told = {"answers": [r["tokens"] for r in replies], "n_prompt_tokens": [r["tokens_evaluated"] for r in replies]}
    output.write_text(json.dumps({"version": f"xllamacpp {xllamacpp.__version__}", **told}))


def reply(server: xllamacpp.Server, prompt: str, n_tokens: int) -> dict:
    """What the server says to one prompt."""
    asked = {"prompt": prompt, "n_predict": n_tokens, "return_tokens": True, "temperature": 0.0, "top_k": 1}
    body = json.dumps({**asked, "cache_prompt": False}).encode()
    request = urllib.request.Request(
        f"{server.listening_address}/completion", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
