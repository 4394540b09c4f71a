"""The splits of a task: its records, the bad and the repeated ones dealt with, missing splits cut off."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from lightning.pytorch.utilities import rank_zero_warn

from lightning_quicktune.data.cutting import cut
from lightning_quicktune.data.duplicates import shared_questions, warn_of_shared_questions, without_duplicates
from lightning_quicktune.data.parsing import ParsedTask, parse_task
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.report import ReadingReport
from lightning_quicktune.data.split_names import SPLITS, SplitName
from lightning_quicktune.data.turns import Record

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


@contextmanager
def _without_collection() -> Iterator[None]:
    """Pauses the search for cycles, which reading makes none of, and which takes as long as all the rest of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_without_collection()
def read_splits(path: str, settings: ReadingSettings, unanswered: frozenset[SplitName] = frozenset()) -> Splits:
    """Reads the records of a task.

    Args:
        path: A folder with files of the splits, one file to split, or the id of a public dataset.
        settings: What to do with records that can't be used, and how to split.
        unanswered: Splits whose records may lack an answer; all records of one file where train is among them. Where
            all may, each split of one file without any answer is the whole file.

    Returns:
        Three splits, none of them empty.

    Raises:
        FileNotFoundError: If nothing is at ``path``, or nothing to train on.
        ValueError: If files or records can't be used, or records are in more than one split, and the settings allow
            neither.
    """
    parsed = parse_task(path, settings, unanswered)
    _check_problems(parsed, settings)
    if parsed.unread:
        rank_zero_warn(
            f"Beside its splits `{path}` holds {', '.join(parsed.unread[:SHOWN_PROBLEMS])}, which is not read: no name "
            "says which split it is, or another file is named for that split alone."
        )
    for note in parsed.notes:
        rank_zero_warn(note)
    train = parsed.records["train"]
    if train and parsed.is_one_file and unanswered.issuperset(SPLITS) and not any(map(_is_answered, train)):
        whole = dict.fromkeys(SPLITS, train)  # all of it is to be answered, and nothing learned
        return Splits(whole, len(parsed.report.problems), 0, parsed.report)
    missing = [name for name in SPLITS if name not in parsed.records]
    unique = {**parsed.records, **_with_missing(path, parsed, missing, settings)}
    n_duplicates = 0
    if len(parsed.records) > 1:  # splits that are all cut off one have no question in common
        unique, n_duplicates = without_duplicates(unique, settings)
    for name, split in unique.items():
        if not split:
            raise ValueError(_nothing_left(path, name))
    shared = shared_questions(unique) if len(parsed.records) > 1 else {}
    warn_of_shared_questions(shared)
    report = replace(parsed.report, shared_questions=shared)
    return Splits(unique, len(report.problems), n_duplicates, report)


def _is_answered(record: Record) -> bool:
    return record.turns[-1].role == "assistant"


def _with_missing(
    path: str, parsed: ParsedTask, missing: Sequence[SplitName], settings: ReadingSettings
) -> dict[SplitName, list[Record]]:
    """Training records and the splits that are cut off them."""
    train = parsed.records["train"]
    if not missing:
        return {"train": train}
    if not train:
        raise ValueError(_nothing_left(path, "train"))
    parts = cut(path, train, missing, settings)
    if not parsed.is_one_file:
        counts = ", ".join(f"{len(part)} for {name}" for name, part in parts.items())
        rank_zero_warn(
            f"`{path}` has no {' and no '.join(missing)} file, so the {len(train)} training records are split by "
            f"`data.init_args.reading.split_seed`: {counts}."
        )
    return parts


def _nothing_left(path: str, name: SplitName) -> str:
    return (
        f"No record is left for the {name} split of `{path}`, but each split needs at least one. Add records, "
        "or change `data.init_args.reading.on_bad_record` or `data.init_args.reading.on_duplicate`."
    )


def _check_problems(parsed: ParsedTask, settings: ReadingSettings) -> None:
    """Raises all that is wrong at once, or warns of records that are left out."""
    message = _listed(parsed) if parsed.report.problems else ""
    if parsed.file_problems:
        raise ValueError("\n".join((*parsed.file_problems, *([message] if message else []))))
    if not message:
        return
    n_bad = len(parsed.report.problems)
    if settings.on_bad_record == "skip" and n_bad < parsed.n_rows:
        rank_zero_warn(f"{message}\nThey are left out, because `data.init_args.reading.on_bad_record` is skip.")
        return
    remedy = "Mend these records, or set `data.init_args.reading.on_bad_record: skip` to leave them out."
    if n_bad == parsed.n_rows:
        remedy = "Mend them, or name another file as `data.init_args.path`."
    if n_bad == parsed.n_rows and any("Formats tried" in line for line in parsed.advice):
        remedy = "Rename the keys to those of one format, or name another file as `data.init_args.path`."
    raise ValueError("\n".join((message, *parsed.advice, remedy)))


def _listed(parsed: ParsedTask) -> str:
    n_bad = len(parsed.report.problems)
    lines = [f"{n_bad} of {parsed.n_rows} records can't be used:"]
    lines += [f"  {problem}" for problem in parsed.report.problems[:SHOWN_PROBLEMS]]
    if n_bad > SHOWN_PROBLEMS:
        lines.append(f"  and {n_bad - SHOWN_PROBLEMS} more")
    return "\n".join(lines)
