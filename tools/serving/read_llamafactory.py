#!/usr/bin/env python
"""Parses a recipe as LLaMA-Factory does when it trains, which refuses names and values that it doesn't know.

Usage: read_llamafactory.py LLAMAFACTORY_YAML TAKEN
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml
from llamafactory.hparams.parser import _parse_train_args


def main(recipe: Path, output: Path) -> None:
    """Writes the value that each key of the recipe has there."""
    written = yaml.safe_load(recipe.read_text())
    parts = _parse_train_args({**written, "output_dir": str(recipe.parent / "out")})
    taken = {key: next(getattr(part, key) for part in parts if hasattr(part, key)) for key in written}
    output.write_text(json.dumps(taken, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
