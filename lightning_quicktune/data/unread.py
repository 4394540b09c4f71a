"""Texts under keys that commonly say nothing in a record, where they may say something in this dataset."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from lightning_quicktune.data.fields import canonical, is_harmless
from lightning_quicktune.data.names import CONTEXTS
from lightning_quicktune.data.turns import Record
from lightning_quicktune.data.values import shown, texts_in

_SHARE = 0.5  # of the records have a text, and of the texts are different, where they are told of
_N_WORDS = 3
_WORD = re.compile(r"[^\W\d_]{2,}")
_CLOCK = re.compile(r"\d:\d\d")
# people, places of files, tools: each record may have another, and none says anything of question and answer
_ORIGIN = (
    "author authors annotator annotators approver reviewer labeler user_name user_agent session url uri link source "
    "sources src origin file filename filepath file_name path license licence generator distilabel_metadata"
)
_ABOUT_ORIGIN = frozenset(_ORIGIN.split())


class UnreadTexts:
    """Counts, key by key, what was left out because the key's name says that it is about a record, not in it.

    Args:
        ignore: Keys, as typed, that a person wants to be left out.
    """

    def __init__(self, ignore: Collection[str]) -> None:
        self._ignore = ignore
        self._texts: dict[str, Counter[str]] = {}
        self._n_records = 0

    def add(self, raw: Any, record: Record, read: Collection[str], ignored: Collection[str]) -> None:
        """Counts a record.

        Args:
            raw: What the file holds at its place.
            record: What was read of it.
            read: Keys that became part of it.
            ignored: Keys that didn't.
        """
        self._n_records += 1
        if not isinstance(raw, Mapping):
            return
        for key in ignored:
            if key in self._ignore or not _may_be_content(key, read):
                continue
            text = " ".join(texts_in(raw.get(key)))
            if (
                len(_WORD.findall(text)) < _N_WORDS
                or _CLOCK.search(text)
                or any(text in t.content for t in record.turns)
            ):
                continue
            self._texts.setdefault(key, Counter())[text] += 1

    def notes(self) -> tuple[str, ...]:
        """A sentence about each key whose texts are many and different."""
        return tuple(
            f"`{key}` is not read, though it holds {len(texts)} different texts, such as {shown(next(iter(texts)))}: "
            f"if it belongs to the question, set `data.init_args.reading.columns: {{context: {key}}}`; if not, "
            f"`data.init_args.reading.ignore: [{key}]`."
            for key, texts in self._texts.items()
            if texts.total() >= max(2, _SHARE * self._n_records) and len(texts) >= max(2, _SHARE * texts.total())
        )


def _may_be_content(key: str, read: Collection[str]) -> bool:
    name = canonical(key)
    has_context = any(canonical(other) in CONTEXTS for other in read)
    return is_harmless(name) and name not in _ABOUT_ORIGIN and not (name == "title" and has_context)
