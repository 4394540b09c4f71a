"""Questions that come with a list of possible answers."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_quicktune.data.fields import Fields
from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.values import as_text, decoded, is_absent, number, shown, texts_in

_OWN_KEY = re.compile(r"(option|choice|alternative|opt|op)?_?([a-h]|\d)")
_FIRST_LABELS = (string.ascii_uppercase, string.digits, string.digits[1:])
_LETTERED = re.compile(r"\(?([A-Za-z]|\d+)[).:]\s*\S")


@dataclass(frozen=True)
class Options:
    """Possible answers, each with the letter or number that it is asked for by.

    Args:
        labels: Letters or numbers.
        texts: The answers.
        lines: What the question shows of each.
    """

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The list as it stands below the question."""
        return "\n".join(self.lines)

    def answer(self, value: Any, key: str) -> str:
        """The answer as it is given; a position, which counts from 0, becomes the label of its option.

        Raises:
            BadRecordError: If a number is no position, or may be one or the text of another option.
        """
        given = as_text(value, key)
        if not self.labels and number(value) is None:
            return given
        if given.strip() in self.labels or (found := number(value)) is None:
            self._check_label(given, key)
            return given
        by_text = [n for n, text in enumerate(self.texts) if text.strip() == given.strip()]
        position = int(found) if found == int(found) and 0 <= found < len(self.texts) else None
        if by_text and position in (None, by_text[0]):
            return given
        if by_text:
            raise BadRecordError(f"`{key}` is {given}, which may be the position of an option or the text of another")
        if position is None:
            raise BadRecordError(
                f"`{key}` is {given}, which is no position among {len(self.texts)} options, counted from 0: where they "
                "count from 1, write the letters in all records"
            )
        return self.labels[position]

    def _check_label(self, given: str, key: str) -> None:
        """A single letter must name an option, and not be the text of another."""
        stripped = given.strip()
        by_text = [label for label, text in zip(self.labels, self.texts, strict=True) if text.strip() == stripped]
        if stripped in self.labels and by_text and stripped not in by_text:
            raise BadRecordError(f"`{key}` is {given}, which is the label of an option and the text of another")
        letter = len(stripped) == 1 and stripped in string.ascii_uppercase
        if letter and stripped not in self.labels and not by_text:
            raise BadRecordError(f"`{key}` is {given}, but the options are {', '.join(self.labels)}")


def unfold_question(fields: Fields) -> None:
    """Puts the parts of a question that is an object (``stem``, ``choices``) beside it, as AI2 writes them."""
    question = fields.values.get("question")
    if isinstance(question, dict) and question.keys() == {"stem", "choices"} and "choices" not in fields:
        fields.put("question", question["stem"])
        fields.put("choices", question["choices"])


def options_of_keys(fields: Fields, answer: Any) -> dict[str, str]:
    """Keys of possible answers that have one each (`A`, `B` ..., `option1`, `option2` ...), by label; empty if none do.

    Args:
        fields: The record.
        answer: The given answer, which must be one of the labels or texts; without one all must be texts.
    """
    families: dict[str, dict[str, str]] = {}
    for name in fields.values:
        if found := _OWN_KEY.fullmatch(name):
            families.setdefault(found[1] or "", {})[found[2].upper()] = name
    for family in families.values():
        labels, values = sorted(family), [fields.values[name] for name in family.values()]
        if len(labels) < 2 or not any(start.startswith("".join(labels)) for start in _FIRST_LABELS):
            continue
        known = {*labels, *(str(value).strip() for value in values)}
        if all(map(texts_in, values)) if is_absent(answer) else str(answer).strip() in known:
            return {label: family[label] for label in labels}
    return {}


def read_options(value: Any, key: str) -> Options:
    """Reads possible answers: texts, labels with texts, an object of texts by label, or lines that say it all.

    Raises:
        BadRecordError: If they are something else.
    """
    given = decoded(value) if isinstance(value, str) else value
    if given is None and isinstance(value, str) and "\n" in value.strip():
        return Options((), (), (as_text(value, key),))
    pairs = _pairs(given)
    if pairs is None or len(pairs) < 2:
        raise BadRecordError(f"`{key}` is {shown(value)}, not a list of possible answers")
    texts = tuple(as_text(text, key) for _, text in pairs)
    if all(label is None for label, _ in pairs):
        return _of_texts(texts)
    labels = tuple(as_text(label, key).strip() for label, _ in pairs)
    if len(set(labels)) < len(labels):
        raise BadRecordError(f"`{key}` has the same label twice: {', '.join(labels)}")
    return Options(labels, texts, tuple(f"{label}. {text}" for label, text in zip(labels, texts, strict=True)))


def _of_texts(texts: Sequence[str]) -> Options:
    """Letters are added where the texts don't begin with some already."""
    letters = tuple(string.ascii_uppercase[: len(texts)])
    marks = [_LETTERED.match(text) for text in texts]
    found = tuple(mark[1] for mark in marks if mark)
    if len(found) == len(texts) and len(set(found)) == len(found):
        return Options(found, tuple(texts), tuple(texts))
    if len(letters) < len(texts):
        letters = tuple(str(n) for n in range(1, len(texts) + 1))
    lines = tuple(f"{letter}. {text}" for letter, text in zip(letters, texts, strict=True))
    return Options(letters, tuple(texts), lines)


def _pairs(given: Any) -> list[tuple[Any, Any]] | None:
    """Each option's label, if any, and text."""
    if isinstance(given, Mapping):
        labels, texts = given.get("label", given.get("labels")), given.get("text", given.get("texts"))
        if isinstance(labels, (list, tuple)) and isinstance(texts, (list, tuple)) and len(given) == 2:
            return list(zip(labels, texts, strict=True)) if len(labels) == len(texts) else None
        known = [(key, text) for key, text in given.items() if not is_absent(text)]
        return known if all(isinstance(text, (str, int, float)) for _, text in known) else None
    if not isinstance(given, (list, tuple)):
        return None
    if all(isinstance(entry, dict) for entry in given):
        return _labelled(given)
    return None if any(isinstance(entry, (dict, list)) for entry in given) else [(None, entry) for entry in given]


def _labelled(entries: Sequence[Mapping[str, Any]]) -> list[tuple[Any, Any]] | None:
    pairs = []
    for entry in entries:
        label = next((key for key in ("label", "key", "id") if not is_absent(entry.get(key))), None)
        text = next((key for key in ("text", "value", "content") if not is_absent(entry.get(key))), None)
        if text is None or any(texts_in(entry[key]) for key in entry if key not in (label, text)):
            return None
        pairs.append((None if label is None else entry[label], entry[text]))
    return pairs if len({label is None for label, _ in pairs}) == 1 else None
