"""Splits that aren't there, cut off the training records by a seed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.split_names import SplitName
from lightning_quicktune.data.turns import Record

LARGE_GROUP = 0.05


def question_key(record: Record) -> Hashable:
    """What makes two records ask the same: every turn up to the first question, without blanks at the ends."""
    first = record.turns[0]
    if first.role == "user":  # most often
        return first.content.strip()
    last = next((number for number, turn in enumerate(record.turns) if turn.role == "user"), len(record.turns))
    return tuple((turn.role, turn.content.strip()) for turn in record.turns[: last + 1])


def cut(
    path: str, records: Sequence[Record], missing: Sequence[SplitName], settings: ReadingSettings
) -> dict[SplitName, list[Record]]:
    """Cuts the missing splits off the end of a random order; records of one question stay together.

    Args:
        path: Where the records come from, for messages.
        records: All training records.
        missing: Splits to make of them, beside training.
        settings: Shares and seed.

    Returns:
        The training split and the missing ones, each of at least one question.

    Raises:
        ValueError: If there are too few different questions.
    """
    groups: dict[Hashable, list[Record]] = {}
    for record in records:
        groups.setdefault(question_key(record), []).append(record)
    if len(groups) <= len(missing):
        raise ValueError(
            f"`{path}` holds {len(groups)} different questions, too few to be split into "
            f"train and {' and '.join(missing)}, each of at least one: records of one question stay together. Add "
            "records, or name a folder with one file per split as `data.init_args.path`."
        )
    _warn_of_large_groups(path, list(groups.values()), len(records))
    keys = list(groups)
    order = [keys[number] for number in np.random.default_rng(settings.split_seed).permutation(len(keys))]
    starts = [0, *_starts(len(order), missing, settings), len(order)]
    parts = [order[start:end] for start, end in pairwise(starts)]
    names: list[SplitName] = ["train", *missing]
    return {name: [record for key in part for record in groups[key]] for name, part in zip(names, parts, strict=True)}


def _starts(n_groups: int, missing: Sequence[SplitName], settings: ReadingSettings) -> list[int]:
    """Where each missing split begins."""
    shares = {"validation": settings.validation_share, "test": settings.test_share}
    sizes = [max(1, round(shares[name] * n_groups)) for name in missing]
    starts: list[int] = []
    for number in range(len(missing)):
        starts.append(max(starts[-1] + 1 if starts else 1, n_groups - sum(sizes[number:])))
    return starts


def _warn_of_large_groups(path: str, groups: Sequence[Sequence[Record]], n_records: int) -> None:
    large = [group for group in groups if len(group) > max(1, LARGE_GROUP * n_records)]
    if not large:
        return
    largest = max(large, key=len)
    shown = " ".join(largest[0].question.split())[:60]
    rank_zero_warn(
        f"{len(large)} questions of `{path}` have more than {LARGE_GROUP:.0%} of its {n_records} records each; "
        f"`{shown}` has {len(largest)}. Records of one question stay in one split, so the splits are uneven. Put what "
        "tells records apart into the question, or give files for validation and test."
    )
