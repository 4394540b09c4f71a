"""The examination of a task with faults: all at once that stops its training."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.special_tokens import check_special_tokens, special_tokens_in
from lightning_quicktune.data.split_names import SPLITS
from lightning_quicktune.data.turns import Record

_SAID_ELSEWHERE = ("They are left out, because", "They are dropped from")


@dataclass(frozen=True)
class Examination:
    """What was found.

    Args:
        faults: What stops the training, one sentence or more each.
        problems: Each record that can't be used: file, line and reason.
        notes: What the reader warned of.
        is_read: Whether something could be read: then the task data is set up with what can be used.
    """

    faults: tuple[str, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_read: bool = True


def examine(data: TaskData) -> Examination:
    """Sets up a task with what can be used of it.

    Args:
        data: The task, before ``setup``, with a tokenizer.
    """
    strict = data.reading
    data.reading = _lenient(strict)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            data.setup("fit")
            error = None
        except (ValueError, OSError) as raised:
            error = str(raised)
        finally:
            data.reading = strict
    said = [str(warning.message) for warning in caught]
    if error is not None:
        reasons = [text for text in said if any(words in text for words in _SAID_ELSEWHERE)]
        return Examination((*reasons, error), is_read=False)
    notes = tuple(text for text in said if not any(words in text for words in _SAID_ELSEWHERE))
    return Examination(tuple(_faults(data, strict)), tuple(_problems(data)), (*notes, *_unanswered(data)))


def _lenient(reading: ReadingSettings) -> ReadingSettings:
    on_duplicate = "drop" if reading.on_duplicate == "error" else reading.on_duplicate
    return replace(
        reading, on_bad_record="skip", on_long_prompt="drop", on_special_token="text", on_duplicate=on_duplicate
    )


def _unanswered(data: TaskData) -> list[str]:
    n_unanswered = data.n_unanswered("test")
    if n_unanswered == 0:
        return []
    return [f"{n_unanswered} test records have no answer: `fit` and `predict` don't need one, `test` and `tune` do."]


def _faults(data: TaskData, strict: ReadingSettings) -> list[str]:
    """What the settings as they are would refuse."""
    facts, faults = data.describe(), []
    if strict.on_bad_record == "error" and facts["n_skipped"]:
        faults.append(_fault(facts["n_skipped"], "can't be used; they are listed below", "on_bad_record: skip"))
    if strict.on_duplicate == "error" and facts["n_duplicates"]:
        faults.append(_fault(facts["n_duplicates"], "are in more than one split", "on_duplicate: drop"))
    n_long = sum(len(data.long(split)) for split in SPLITS)
    if strict.on_long_prompt == "error" and n_long:
        faults.append(
            _fault(n_long, f"have more than {data.token_settings.max_length} tokens", "on_long_prompt: drop")
            + " Or raise `data.init_args.max_length`."
        )
    if strict.on_special_token == "error":
        try:
            check_special_tokens(_records(data), data.tokenizer)
        except ValueError as error:
            faults.append(str(error))
    return faults


def _problems(data: TaskData) -> list[str]:
    looked_for = _records(data) if data.reading.on_special_token == "error" else []
    special = [f"{where}: holds {', '.join(found)}" for where, found in special_tokens_in(looked_for, data.tokenizer)]
    long = [f"{each}, more than {data.token_settings.max_length}" for split in SPLITS for each in data.long(split)]
    return [*data.report.problems, *long, *special]


def _records(data: TaskData) -> list[Record]:
    return [record for split in SPLITS for record in data.records(split)]


def _fault(count: object, what: str, setting: str) -> str:
    return f"{count} records {what}. To leave them out, set `data.init_args.reading.{setting}`."
