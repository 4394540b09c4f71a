"""Records as people read them, with what is learned told apart."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import groupby

from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.tokens import TokenRecord


@dataclass(frozen=True)
class Marks:
    """What stands around learned text.

    Args:
        before: What goes before it.
        after: What goes after it.
        meaning: How the two are named in a heading.
    """

    before: str
    after: str
    meaning: str


GUILLEMETS = Marks("«", "»", "between « and »")
COLOUR = Marks("\x1b[1;32m", "\x1b[0m", "in green")


def marks_for(*, terminal: bool) -> Marks:
    """Colour on a terminal that shows it and whose user wants it; signs elsewhere.

    Args:
        terminal: Whether the text goes to a terminal.
    """
    shows = terminal and os.environ.get("TERM") != "dumb"
    return COLOUR if shows and not os.environ.get("NO_COLOR") else GUILLEMETS


def marked(record: TokenRecord, tokenizer: PreTrainedTokenizerBase, marks: Marks = GUILLEMETS) -> str:
    """Decodes a record, with marks around the tokens that are learned."""
    pieces = []
    pairs = zip(record.target_mask.tolist(), record.input_ids.tolist(), strict=True)
    for is_target, run in groupby(pairs, key=lambda pair: pair[0]):
        # a terminal would obey escape characters of the data
        text = str(tokenizer.decode([token for _, token in run])).replace("\x1b", "\\x1b")
        pieces.append(f"{marks.before}{text}{marks.after}" if is_target else text)
    return "".join(pieces)
