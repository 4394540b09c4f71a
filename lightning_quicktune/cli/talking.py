"""Questions to a finetuned model and its answers, on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lightning_quicktune.compose import quiet_upstream
from lightning_quicktune.data.turns import Turn
from lightning_quicktune.finetune.speaker import Speaker
from lightning_quicktune.trials.task_setup import unread_objects


def speaker_of(
    fit: dict[str, Any], *, checkpoint: str | None = None, adapter: Path | None = None, limit: int | None = None
) -> Speaker:
    """The model that a fit YAML describes, ready to answer.

    Args:
        fit: The fit YAML.
        checkpoint: As for ``Speaker``.
        adapter: As for ``Speaker``.
        limit: Most tokens of an answer; as many as the fit YAML says if left out.
    """
    quiet_upstream()
    module, data = unread_objects(fit)
    return Speaker(module, data, checkpoint=checkpoint, adapter=adapter, max_new_tokens=limit)


def talk(speaker: Speaker, questions: Iterable[str], *, remember: bool = False, spaced: bool = False) -> None:
    """Writes the answer to each question to the standard output.

    Args:
        speaker: Who answers.
        questions: What is asked.
        remember: Whether a question follows what was said before.
        spaced: Whether an empty line follows each answer.
    """
    said: Sequence[Turn] = ()
    for question in questions:
        turns = (*said, Turn("user", question))
        answer = speaker.answer(turns)
        said = (*turns, Turn("assistant", answer)) if remember and answer else ()
        sys.stdout.write(f"{answer}\n\n" if spaced else f"{answer}\n")
        sys.stdout.flush()
