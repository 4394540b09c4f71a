"""The splits of a task: its rows as records, the bad and the repeated ones dealt with, one file cut into three."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from lightning_quicktune.data.files import Row
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.records import format_advice, format_name, parse_record
from lightning_quicktune.data.report import ReadingReport
from lightning_quicktune.data.sources import SPLITS, SplitName, read_parts
from lightning_quicktune.data.turns import BadRecordError, Record

SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Splits:
    """The records of a task, and what was left out of them.

    Args:
        records: Records of each split, at least one.
        n_skipped: Records left out because they can't be used.
        n_duplicates: Records left out of a split because a later split has them too.
        report: What was found in the files.
    """

    records: Mapping[SplitName, Sequence[Record]]
    n_skipped: int
    n_duplicates: int
    report: ReadingReport


def read_splits(path: str, settings: ReadingSettings, unanswered: frozenset[SplitName] = frozenset()) -> Splits:
    """Reads the records of a task.

    Args:
        path: A folder with one file per split, one file to split, or an id for ``datasets.load_dataset``.
        settings: What to do with records that can't be used, and how to split.
        unanswered: Splits whose records may lack an answer; all records of one file where train is among them.

    Returns:
        Three splits, none of them empty.

    Raises:
        FileNotFoundError: If nothing is at ``path``, or a split is missing.
        ValueError: If records can't be used, or are in more than one split, and the settings allow neither.
    """
    parts = read_parts(path)
    problems: list[str] = []
    parsed = {name: _parse(rows, problems, answer_required=name not in unanswered) for name, rows in parts.items()}
    _check_problems(problems, parts, settings)
    records = parsed if len(parsed) == len(SPLITS) else _split(path, parsed["train"], settings)
    unique, n_duplicates = _without_duplicates(records, settings)
    for name, split in unique.items():
        if not split:
            raise ValueError(
                f"No record is left for the {name} split of `{path}`, but each split needs at least one. Add records, "
                "or change `data.init_args.reading.on_bad_record` or `data.init_args.reading.on_duplicate`."
            )
    return Splits(unique, len(problems), n_duplicates, ReadingReport(tuple(problems)))


def _parse(rows: Sequence[Row], problems: list[str], *, answer_required: bool) -> list[Record]:
    """Reads what can be read, and adds what can't to ``problems``; a file has the format of its first record."""
    records = []
    expected: str | None = None
    for row in rows:
        try:
            if row.problem is not None:
                raise BadRecordError(row.problem)
            record = parse_record(row.value, row.file, row.line, answer_required=answer_required)
            found = format_name(row.value)
            expected = expected or found
            if found != expected:
                raise BadRecordError(f"format {found}, but the file began with {expected}")
            records.append(record)
        except BadRecordError as error:
            keys = f" (keys: {', '.join(map(str, row.value))})" if isinstance(row.value, dict) else ""
            problems.append(f"{row.file}:{row.line}: {error}{keys}")
    return records


def _check_problems(
    problems: Sequence[str], parts: Mapping[SplitName, Sequence[Row]], settings: ReadingSettings
) -> None:
    if not problems:
        return
    total = sum(len(rows) for rows in parts.values())
    listed = "\n".join(f"  {problem}" for problem in problems[:SHOWN_PROBLEMS])
    if len(problems) > SHOWN_PROBLEMS:
        listed += f"\n  and {len(problems) - SHOWN_PROBLEMS} more"
    message = f"{len(problems)} of {total} records can't be used:\n{listed}\n"
    if settings.on_bad_record == "skip" and len(problems) < total:
        rank_zero_warn(f"{message}They are left out, because `data.init_args.reading.on_bad_record` is skip.")
        return
    first = next(row.value for rows in parts.values() for row in rows)
    advice = format_advice(list(map(str, first)) if isinstance(first, dict) else [])
    remedy = "Mend these records, or set `data.init_args.reading.on_bad_record: skip` to leave them out."
    if len(problems) == total:
        remedy = "Rename the keys to those of one format, or name another file as `data.init_args.path`."
    raise ValueError(f"{message}{advice}\n{remedy}")


def _split(path: str, records: Sequence[Record], settings: ReadingSettings) -> dict[SplitName, list[Record]]:
    """Cuts one list into three by a seed; equal records stay together, so that none leaks into another split."""
    groups: dict[object, list[Record]] = {}
    for record in records:
        groups.setdefault(record.turns, []).append(record)
    if len(groups) < len(SPLITS):
        raise ValueError(
            f"`{path}` holds {len(groups)} different records, too few to be split into train, validation and test, "
            "each of at least one. Add records, or name a folder with one file per split as `data.init_args.path`."
        )
    keys = list(groups)
    order = [keys[i] for i in np.random.default_rng(settings.split_seed).permutation(len(keys))]
    n_validation = max(1, round(settings.validation_share * len(order)))
    n_test = max(1, round(settings.test_share * len(order)))
    first_validation = max(1, len(order) - n_validation - n_test)
    first_test = max(first_validation + 1, len(order) - n_test)
    chosen: dict[SplitName, list[object]] = {
        "train": order[:first_validation],
        "validation": order[first_validation:first_test],
        "test": order[first_test:],
    }
    return {name: [record for key in chosen[name] for record in groups[key]] for name in SPLITS}


def _without_duplicates(
    records: Mapping[SplitName, Sequence[Record]], settings: ReadingSettings
) -> tuple[dict[SplitName, list[Record]], int]:
    """Applies ``on_duplicate``: what trains must not be scored, and what is scored must not choose."""
    kept: dict[SplitName, list[Record]] = {}
    seen: set[object] = set()
    counts: Counter[str] = Counter()
    for name in reversed(SPLITS):
        kept[name] = [record for record in records[name] if record.turns not in seen]
        counts[name] = len(records[name]) - len(kept[name])
        seen |= {record.turns for record in kept[name]}
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
