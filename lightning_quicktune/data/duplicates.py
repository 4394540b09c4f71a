"""Records and questions that are in more than one split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lightning.pytorch.utilities import rank_zero_warn

from lightning_quicktune.data.cutting import question_key
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.split_names import SPLITS, SplitName
from lightning_quicktune.data.turns import Record


def without_duplicates(
    records: Mapping[SplitName, Sequence[Record]], settings: ReadingSettings
) -> tuple[dict[SplitName, list[Record]], int]:
    """Applies ``on_duplicate``: what trains must not be scored, and what is scored must not choose.

    Raises:
        ValueError: If equal records are in two splits, and the settings don't allow for it.
    """
    kept: dict[SplitName, list[Record]] = {}
    seen: set[object] = set()
    counts: Counter[str] = Counter()
    repeated = _questions_of_several(records)
    for name in reversed(SPLITS):
        suspects = {n for n, record in enumerate(records[name]) if question_key(record) in repeated} if repeated else ()
        equal = {n for n in suspects if records[name][n].turns in seen}
        kept[name] = [record for n, record in enumerate(records[name]) if n not in equal]
        counts[name] = len(equal)
        seen |= {records[name][n].turns for n in suspects}
    n_duplicates = counts.total()
    if n_duplicates == 0 or settings.on_duplicate == "keep":
        return {name: list(records[name]) for name in SPLITS}, 0
    message = (
        f"{n_duplicates} records are in more than one split: {counts['train']} of train are also in validation or "
        f"test, {counts['validation']} of validation also in test. "
    )
    if settings.on_duplicate == "error":
        raise ValueError(
            f"{message}A score on records that were trained on says nothing about new ones. Remove them, or set "
            "`data.init_args.reading.on_duplicate: drop` (keeps each in the later split) or `keep`."
        )
    rank_zero_warn(f"{message}They are dropped from the earlier split.")
    return {name: kept[name] for name in SPLITS}, n_duplicates


def shared_questions(records: Mapping[SplitName, Sequence[Record]]) -> dict[SplitName, int]:
    """Counts, for train and validation, the records whose question a later split has with another answer."""
    counts: dict[SplitName, int] = {"train": 0, "validation": 0}
    repeated = _questions_of_several(records)
    answered: set[object] = set()
    asked: set[object] = set()
    for name in reversed(SPLITS) if repeated else ():
        shared = [record for record in records[name] if question_key(record) in repeated]
        counts[name] = sum(question_key(record) in asked and record.turns not in answered for record in shared)
        answered |= {record.turns for record in shared}
        asked |= {question_key(record) for record in shared}
    return {"train": counts["train"], "validation": counts["validation"]}


def _questions_of_several(records: Mapping[SplitName, Sequence[Record]]) -> set[object]:
    """Questions in more than one split: few, and only their records need a closer look."""
    asked = [{question_key(record) for record in split} for split in records.values()]
    return {key for number, keys in enumerate(asked) for others in asked[:number] for key in keys & others}


def warn_of_shared_questions(counts: Mapping[SplitName, int]) -> None:
    """Says how many questions were seen before they are asked."""
    if any(counts.values()):
        rank_zero_warn(
            f"{sum(counts.values())} records ask a question that a later split asks too, with another answer: "
            f"{counts['train']} of train, {counts['validation']} of validation. Scores are better on questions that "
            "were trained on than on new ones. Put all records of a question into one split, or into one file to have "
            "that done."
        )
