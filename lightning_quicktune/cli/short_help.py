"""The help that fits on one screen: what people set; ``--help=all`` tells the rest."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from lightning_quicktune.cli.examples import examples_of

ALL = "--help=all"
_MODEL = ("--model.init_args.base_model.name NAME", "the base model: nano, smollm2, a folder, a .gguf file or a hub id")
_DATA = ("--data.init_args.path PATH", "the dataset: a folder, a file, a hub id or suite:NAME")
_CONFIG = (
    "--config FILE",
    "a YAML with trainer, model and data, or with one of them; may be repeated, and options win",
)
_CHECKPOINT = ("--ckpt_path FILE", "the checkpoint whose adapter is used")
_BATCH = ("--data.init_args.batch_size N", "records per micro-batch")
_LOGGER = ("--trainer.default_root_dir FOLDER", "where logs and checkpoints go")
_SCORE = ("--model.init_args.score.name NAME", "the score: answer_likelihood, exact_match, token_f1, rouge_l ...")

# Whose parser takes seconds to build. A test compares the names with those that it knows.
KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    "fit": (
        _CONFIG,
        _DATA,
        _MODEL,
        ("--model.init_args.optimizer.init_args.lr RATE", "the learning rate"),
        ("--model.init_args.lora.rank N", "rank of the adapter"),
        ("--model.init_args.lora.alpha_over_rank RATIO", "scale of the adapter"),
        ("--model.init_args.lora.targets NAMES", "which linear modules get one: all-linear, attention, mlp"),
        ("--model.init_args.schedule.name NAME", "how the rate falls: linear, cosine, constant"),
        _SCORE,
        _BATCH,
        ("--data.init_args.template NAME", "chat for the tokenizer's chat template, or plain"),
        ("--data.init_args.max_length N", "most tokens of a record"),
        ("--trainer.max_epochs N", "slices of a full training"),
        ("--trainer.accumulate_grad_batches N", "micro-batches per optimizer step"),
        ("--trainer.accelerator NAME", "cpu, gpu or auto"),
        ("--trainer.devices N", "how many of them"),
        _LOGGER,
        ("--ckpt_path FILE", "the checkpoint that the training goes on from"),
    ),
    "validate": (_CONFIG, _DATA, _MODEL, _CHECKPOINT, _SCORE, _BATCH),
    "test": (_CONFIG, _DATA, _MODEL, _CHECKPOINT, _SCORE, _BATCH),
    "predict": (
        _CONFIG,
        _DATA,
        _MODEL,
        _CHECKPOINT,
        ("--prompt TEXT", "a question to answer at once, in the place of a dataset; may be repeated"),
        ("--model.init_args.score.max_new_tokens N", "most tokens of an answer"),
        _BATCH,
    ),
}
_DOES = {
    "fit": "Trains the finetuning model on a dataset, or a surrogate on a meta-dataset, by Lightning's Trainer.",
    "validate": "Measures a finetuned model, or a surrogate, on its validation split.",
    "test": "Measures a finetuned model, or a surrogate, on its test split.",
    "predict": "Writes generated answers, or a surrogate's predictions.",
}


def short_help(subcommand: str) -> str | None:
    """The help of a subcommand whose parser takes seconds to build; none of others.

    Args:
        subcommand: Its name.
    """
    return one_screen(subcommand, "[options]", _DOES[subcommand], KEYS[subcommand]) if subcommand in KEYS else None


def one_screen(subcommand: str, words: str, does: str, keys: Sequence[tuple[str, str]]) -> str:
    """The help of a subcommand, for the width of the terminal.

    Args:
        subcommand: Its name.
        words: What is typed after it.
        does: What it does.
        keys: The options that people set, each with what it does.
    """
    more = f"`lightning-quicktune {subcommand} {ALL}` tells every option; `--debug` shows where an error came from."
    return "\n".join(
        [
            f"usage: lightning-quicktune {subcommand} {words}",
            "",
            *_filled(does),
            "",
            "options that people set:",
            *_listed(keys),
            "",
            *_filled(more),
            "",
            "examples:",
            *(f"  {line}" for line in examples_of(subcommand)),
            "",
        ]
    )


def listed_subcommands(subcommands: Sequence[tuple[str, str]]) -> list[str]:
    """Lines that name the subcommands, for the width of the terminal.

    Args:
        subcommands: Name and purpose of each.
    """
    width = max(len(name) for name, _ in subcommands)
    lines: list[str] = []
    for name, does in subcommands:
        lines += textwrap.wrap(
            does, _columns(), initial_indent=f"  {name:<{width}}  ", subsequent_indent=" " * (width + 4)
        )
    return lines


def _listed(keys: Sequence[tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for name, does in keys:
        lines += [f"  {name}", *textwrap.wrap(does, _columns(), initial_indent=" " * 6, subsequent_indent=" " * 6)]
    return lines


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text, _columns())


def _columns() -> int:
    return max(30, min(120, shutil.get_terminal_size().columns))
