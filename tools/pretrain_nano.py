#!/usr/bin/env python
"""Makes a nano base model from scratch: tokenizer, weights and model card of an asset folder such as ``nano_phi3``.

A model of less than a million parameters learns the language of the built-in suite on invented knowledge that no
task of the suite asks for: known facts are asked for without help, new ones are told in the prompt.

    tools/pretrain_nano.py --architecture phi3 --output lightning_quicktune/assets/nano_phi3
"""

import argparse
import os
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # busy-waiting threads collapse on shared cores
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from pretraining.architecture import Architecture
from pretraining.card import model_card
from pretraining.phi3 import Phi3
from pretraining.recipe import RECIPES, ArchitectureName, Recipe
from pretraining.t5 import T5
from pretraining.training import build_tokenizer, pretrain, report
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from lightning_quicktune.finetune.output_folder import whole_folder

ARCHITECTURES: dict[ArchitectureName, Architecture] = {"phi3": Phi3(), "t5": T5()}


def parse_args() -> tuple[Path, int, Recipe]:
    """Reads the command line; what it leaves out is as in ``RECIPES``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for weights, tokenizer and model card")
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES), required=True)
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch; they change the last digits")
    for field in fields(Recipe):
        if field.name != "architecture":
            flag = "--" + field.name.replace("_", "-")
            defaults = ", ".join(f"{name}: {getattr(recipe, field.name)}" for name, recipe in RECIPES.items())
            parser.add_argument(flag, type=type(field.default), help=f"default of {defaults}")
    args = vars(parser.parse_args())
    output, threads, recipe = args.pop("output"), args.pop("threads"), RECIPES[args.pop("architecture")]
    recipe = replace(recipe, **{name: value for name, value in args.items() if value is not None})
    if recipe.steps < 40:
        parser.error(
            f"--steps is {recipe.steps}, but a twentieth of the steps is warm-up, at least 2. Give 40 or more."
        )
    return output, threads, recipe


def write(output: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, card: str) -> None:
    """Writes the asset file by file, each either whole or not at all."""
    with whole_folder(output, replace=True) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        for path in sorted(folder.iterdir()):
            path.chmod(0o644)


def main() -> None:
    """Builds, trains, measures and writes the asset."""
    output, threads, recipe = parse_args()
    torch.set_num_threads(threads)
    architecture = ARCHITECTURES[recipe.architecture]
    tokenizer = build_tokenizer(recipe, architecture)
    model = pretrain(recipe, architecture, tokenizer)
    n_parameters = sum(p.numel() for p in model.parameters())
    measured = report(recipe, architecture, model, tokenizer)
    command = " ".join(["tools/pretrain_nano.py", *sys.argv[1:]])
    card = model_card(recipe, n_parameters, threads, time.process_time() / 60, command, measured)
    write(output, model, tokenizer, card)
    print(f"{n_parameters:,} parameters written to {output}")


if __name__ == "__main__":
    main()
