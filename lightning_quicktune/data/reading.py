"""Settings of how text files become records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lightning_quicktune.data.names import KNOWN_KEYS
from lightning_quicktune.wording.spelling import did_you_mean


@dataclass(frozen=True)
class ReadingSettings:
    """How text files become the records of three splits.

    Args:
        on_bad_record: ``error`` names every record that can't be used; ``skip`` leaves them out and counts them.
        on_duplicate: What to do with records that are in more than one split: ``error`` counts them, ``drop`` keeps
            each in the later split alone (train, then validation, then test), ``keep`` leaves them where they are.
        on_long_prompt: ``error`` counts the records of more than ``data.init_args.max_length`` tokens; ``drop`` leaves
            them out.
        validation_share: Share of the questions that validation gets when one file is split, or where there is a train
            file but no validation file, above 0.
        test_share: Share that test gets likewise, above 0.
        split_seed: Seed of that split; the same for all trials.
        subset: Which dataset is meant where a folder or a public dataset holds several.
        columns: Names of the dataset's keys, by the key that is known here: ``{question: Frage, answer: Antwort}``.
        ignore: Keys, of records and of turns, whose text is left out although it is no part of question or answer.
        preference: ``error`` names every pair of a chosen and a rejected answer; ``chosen`` learns the chosen one.
        unanswerable: Answer to questions that their context doesn't answer, as SQuAD v2 has them; such a record can't
            be used if it is left out.
        on_special_token: What to do with special tokens of the tokenizer in a record's own text: ``error`` counts them,
            ``text`` has them read and written letter by letter, so that they control nothing.
    """

    on_bad_record: Literal["error", "skip"] = "error"
    on_duplicate: Literal["error", "drop", "keep"] = "error"
    on_long_prompt: Literal["error", "drop"] = "error"
    validation_share: float = 0.1
    test_share: float = 0.1
    split_seed: int = 0
    subset: str | None = None
    columns: dict[str, str] = field(default_factory=dict, hash=False)
    ignore: list[str] = field(default_factory=list, hash=False)
    preference: Literal["error", "chosen"] = "error"
    unanswerable: str | None = None
    on_special_token: Literal["error", "text"] = "error"

    def __post_init__(self) -> None:
        if not (self.validation_share > 0 and self.test_share > 0 and self.validation_share + self.test_share < 1):
            raise ValueError(
                f"The shares of validation ({self.validation_share}) and test ({self.test_share}) leave no room for "
                "all three splits: each needs more than 0, and their sum less than 1. Change "
                "`data.init_args.reading.validation_share` or `data.init_args.reading.test_share`."
            )
        if self.unanswerable is not None and not self.unanswerable.strip():
            raise ValueError(
                "`data.init_args.reading.unanswerable` is blank, but it is the answer to questions without one, and a "
                "model learns nothing from an empty answer. Give it a text, or leave it out."
            )
        self._check_columns()

    def _check_columns(self) -> None:
        unknown = sorted(set(self.columns) - KNOWN_KEYS)
        if unknown:
            raise ValueError(
                f"`data.init_args.reading.columns` maps `{unknown[0]}`, which no format reads, so its column would be "
                "lost. It maps a key that is known here to the dataset's, as in `{question: Frage, answer: Antwort}`. "
                f"Known are {', '.join(sorted(KNOWN_KEYS))}.{did_you_mean(unknown[0], KNOWN_KEYS)}"
            )
        theirs = list(self.columns.values())
        if len(set(theirs)) < len(theirs):
            raise ValueError(
                f"`data.init_args.reading.columns` names {', '.join(theirs)}: one of the dataset's keys twice, but "
                "each can become one key alone. Name each once in `data.init_args.reading.columns`."
            )


def column_overrides(columns: str | None) -> dict[str, dict[str, str]]:
    """What a subcommand's `--columns` sets in a fit YAML.

    Args:
        columns: Pairs of a key that is known here and the dataset's, as in ``question=Frage,answer=Antwort``.

    Raises:
        ValueError: If it has another form.
    """
    if columns is None:
        return {}
    pairs = [pair.partition("=") for pair in columns.split(",")]
    if not all(ours.strip() and theirs.strip() for ours, _, theirs in pairs):
        raise ValueError(
            f"`--columns` is {columns!r}, but it holds pairs of a key that is known here and the dataset's. Write it "
            "as `--columns question=Frage,answer=Antwort`; names with a comma go to `data.init_args.reading.columns`."
        )
    if len({ours.strip() for ours, _, _ in pairs}) < len(pairs):
        raise ValueError(
            f"`--columns` is {columns!r}, which gives one key two of the dataset's, of which one would be lost. Name "
            "each key once in `--columns`."
        )
    return {"data.init_args.reading.columns": {ours.strip(): theirs.strip() for ours, _, theirs in pairs}}
