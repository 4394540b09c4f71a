#!/usr/bin/env python
"""Converts and answers with CTranslate2.

Usage: read_ctranslate2.py FOLDER merged ANSWERS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ctranslate2
from ctranslate2.converters import TransformersConverter
from transformers import AutoTokenizer


def main(folder: Path, kind: str, output: Path) -> None:
    """Writes the greedy answers."""
    asked = json.loads((folder / "expected.json").read_text())
    TransformersConverter(str(folder / kind)).convert(str(folder / "ctranslate2"), force=True)
    tokenizer = AutoTokenizer.from_pretrained(folder / kind)
    generator = ctranslate2.Generator(str(folder / "ctranslate2"), intra_threads=1)
    answers = []
    for prompt in asked["prompts"]:
        tokens = tokenizer.convert_ids_to_tokens(tokenizer(prompt, add_special_tokens=False).input_ids)
        options = {"max_length": asked["n_tokens"], "sampling_topk": 1, "include_prompt_in_result": False}
        (result,) = generator.generate_batch([tokens], **options)
        answers.append(result.sequences_ids[0])
    output.write_text(json.dumps({"version": f"ctranslate2 {ctranslate2.__version__}", "answers": answers}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
