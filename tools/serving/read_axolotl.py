#!/usr/bin/env python
"""Validates a recipe as Axolotl does when it trains; names that it doesn't know are gone afterwards.

Usage: read_axolotl.py AXOLOTL_YAML TAKEN
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import yaml
from axolotl.utils.config import validate_config
from axolotl.utils.dict import DictDefault
from transformers import TrainingArguments

CPU = {"bf16": False, "n_gpu": 0, "n_node": 1, "compute_capability": ""}


def main(recipe: Path, output: Path) -> None:
    """Writes the value that each key of the recipe has there."""
    written = yaml.safe_load(recipe.read_text())
    config = validate_config(DictDefault(written), CPU, {"torch_version": version("torch").split("+")[0]})
    TrainingArguments(output_dir=str(recipe.parent / "out"), optim=config.optimizer)  # as its builder of trainers does
    output.write_text(json.dumps({key: config[key] for key in written if key in config}, indent=1, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
