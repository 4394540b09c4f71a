"""Special tokens that stand in a record's own text, where they are text and control nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.turns import Record, Turn

# Characters of no language: the first two stand around a text that is to be found again after rendering, the others
# around a special token that is to stay text.
FIRST, LAST, OPEN, CLOSE = "\U00100001", "\U00100002", "\U00100003", "\U00100004"
RESERVED = re.compile(f"[{FIRST}{LAST}{OPEN}{CLOSE}]")
SHOWN_PLACES = 5


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens of a tokenizer, to be found in texts.

    Tokens that were added without being special (such as ``<think>`` in some vocabularies) are none: people write
    them, and they stay the tokens that the tokenizer makes of them.

    Args:
        ids: Id of each token.
    """

    ids: Mapping[str, int]
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> SpecialTokens:
        """Those of a tokenizer."""
        ids = {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        ids |= {str(t): int(n) for t, n in zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)}
        longest_first = sorted(filter(None, ids), key=len, reverse=True)
        return cls(ids, re.compile("|".join(map(re.escape, longest_first)) or "(?!)"))

    def found(self, record: Record) -> list[str]:
        """All that stand in a record's texts, one by one."""
        return [token for text in texts(record) for token in self.pattern.findall(text)]

    def shielded(self, record: Record) -> Record:
        """The record with each special token in its texts between two characters that make it text."""
        if not self.found(record):
            return record
        turns = tuple(
            replace(
                turn,
                content=self._shielded(turn.content),
                reasoning=self._shielded(turn.reasoning),
                tool_calls=self._shielded(turn.tool_calls),
            )
            for turn in record.turns
        )
        return replace(record, turns=turns, tools=self._shielded(record.tools))

    def _shielded(self, text: str) -> str:
        return self.pattern.sub(f"{OPEN}\\g<0>{CLOSE}", text)


def unshielded(text: str) -> str:
    """A shielded text as it was."""
    return text.replace(OPEN, "").replace(CLOSE, "")


def texts(record: Record) -> Iterator[str]:
    """Every text of a record that a template may write."""
    for turn in record.turns:
        yield from _texts(turn)
    yield record.tools


def _texts(turn: Turn) -> Iterator[str]:
    yield turn.content
    yield turn.reasoning
    yield turn.tool_calls
    yield turn.name


def special_tokens_in(records: Sequence[Record], tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, list[str]]]:
    """The records whose own text holds special tokens: file and line, and the tokens one by one."""
    special = SpecialTokens.of(tokenizer)
    return [(record.where, found) for record in records if (found := special.found(record))]


def check_special_tokens(records: Sequence[Record], tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses records whose own text holds special tokens of a tokenizer.

    Args:
        records: All records of a task.
        tokenizer: The base model's tokenizer.

    Raises:
        ValueError: If there are any; with counts, and the file and line of the first ones.
    """
    found = special_tokens_in(records, tokenizer)
    if not found:
        return
    counts = Counter(token for _, tokens in found for token in tokens)
    places = [place for place, _ in found]
    listed = ", ".join(f"{token} ({count} times)" for token, count in counts.most_common())
    more = f" and {len(places) - SHOWN_PLACES} more" if len(places) > SHOWN_PLACES else ""
    raise ValueError(
        f"{len(places)} of {len(records)} records hold special tokens of `{tokenizer.name_or_path}` in their own text: "
        f"{listed}; they are {', '.join(places[:SHOWN_PLACES])}{more}. As tokens they would end turns in the midst of "
        "an answer, and the model would learn to. Remove them, or set `data.init_args.reading.on_special_token: text` "
        "to have them read and written letter by letter."
    )
