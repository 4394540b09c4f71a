#!/usr/bin/env python
"""Compares the logits of merged models in transformers 4 with those kept beside them.

Usage: read_architectures.py FOLDER DIFFERENCES
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer


def main(folder: Path, output: Path) -> None:
    """Writes the largest difference of each architecture over its largest logit."""
    differences = {}
    for kept in sorted(folder.glob("*/logits.safetensors")):
        name, saved = kept.parent.name, load_file(kept)
        auto = AutoModelForSeq2SeqLM if "t5" in name else AutoModelForCausalLM
        model = auto.from_pretrained(kept.parent / "merged").eval()
        AutoTokenizer.from_pretrained(kept.parent / "merged")
        answers = {"decoder_input_ids": saved["tokens"][:, :20]} if "t5" in name else {}
        with torch.no_grad():
            logits = model(input_ids=saved["tokens"], **answers).logits
        differences[name] = float((logits - saved["logits"]).abs().max() / saved["logits"].abs().max())
    output.write_text(json.dumps(differences, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
