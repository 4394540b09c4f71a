"""Answers that already stand at the end of their questions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lightning_quicktune.data.turns import Record

_SHARE = 0.9  # of the records, from which on it is no chance: a question may end in `yes or no`
_LABEL = re.compile(r"(:|\n|^)\s*$")  # what stands before an answer: `A:`, or the end of the line


def answered_questions(records: Sequence[Record]) -> tuple[str, ...]:
    """A sentence that says so where nearly all questions end with their answers; none elsewhere.

    Args:
        records: All records of a task.
    """
    answered = [record for record in records if record.answer]
    found = [record for record in answered if _is_answered(record.question.rstrip(), record.answer.strip())]
    if len(found) < max(2, _SHARE * len(answered)):
        return ()
    return (
        f"{len(found)} of {len(answered)} questions end with their answer, as that of {found[0].where} does, so that "
        "it could be copied: a model that is asked without it would not have learned to answer. Take it out of them, "
        "or name the key of the question alone by `data.init_args.reading.columns`.",
    )


def _is_answered(question: str, answer: str) -> bool:
    """Whether a question ends with its answer, and not as a sentence does that has it for its last word."""
    return question.endswith(answer) and _LABEL.search(question[: len(question) - len(answer)]) is not None
