"""What a person types after a search: to load what was found, to go on, and to make it again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import PurePath

from lightning_quicktune.tuning.outcome import Outcome

_TRAINERS = {"trl": "a script for TRL", "axolotl": "Axolotl settings", "llamafactory": "LLaMA-Factory settings"}


@dataclass(frozen=True)
class Code:
    """Something to copy.

    Args:
        title: What it does.
        text: The lines.
        about: A sentence more; empty if none is needed.
        is_foreign: Whether it is for another program, so that it is left out of print.
    """

    title: str
    text: str
    about: str = ""
    is_foreign: bool = False


def recipes(outcome: Outcome) -> list[Code]:
    """The chosen recipe as a command first, then as YAML and as settings of other trainers; none without a choice."""
    if outcome.adapter is None:
        return []
    path = shlex.quote(str(PurePath(outcome.adapter).parent / "fit.yaml"))
    command = f"lightning-quicktune fit --config {path}"
    return [
        Code("As a command", command, "Trains it again: in full, from its seed, on the same records."),
        Code("As YAML", outcome.fit_yaml),
        *(_foreign(name, text, path) for name, text in outcome.carried.items()),
    ]


def next_steps(outcome: Outcome) -> list[Code]:
    """Loading what was found with peft, and going on with the search."""
    about = "On a finished search it prints the result; with a larger budget it goes on where this one stopped."
    again = Code("Go on, or start this search again", outcome.command, about)
    if outcome.adapter is None:
        return [again]
    return [Code("Load it with peft", _loading(outcome, outcome.adapter), _base_words(outcome)), again]


def _foreign(trainer: str, text: str, path: str) -> Code:
    written = f"`lightning-quicktune export --fit {path} --as {trainer} --output {trainer}`"
    return Code(f"As {_TRAINERS.get(trainer, trainer)}", text, f"{written} writes it with the records.", True)


def _loading(outcome: Outcome, adapter: str) -> str:
    kind = "Seq2SeqLM" if "Seq2Seq" in outcome.fit_yaml else "CausalLM"
    return (
        f"from peft import AutoPeftModelFor{kind}\n"
        "from transformers import AutoTokenizer\n\n"
        f"tokenizer = AutoTokenizer.from_pretrained({adapter!r})\n"
        f"model = AutoPeftModelFor{kind}.from_pretrained({adapter!r})"
    )


def _base_words(outcome: Outcome) -> str:
    return (
        f"The adapter belongs to {outcome.task.base_model.name}; README.md beside it says where that model is, and how "
        "to load the two where it is no folder or id that transformers knows."
    )
