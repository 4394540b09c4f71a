"""How text files are to become records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ReadingSettings:
    """How text files become the records of three splits.

    Args:
        on_bad_record: ``error`` names every record that can't be used; ``skip`` leaves them out and counts them.
        on_duplicate: What to do with records that are in more than one split: ``error`` counts them, ``drop`` keeps
            each in the later split alone (train, then validation, then test), ``keep`` leaves them where they are.
        on_long_prompt: ``error`` counts the records of more than ``data.init_args.max_length`` tokens; ``drop`` leaves
            them out.
        validation_share: Share of the records that validation gets when one file is split, above 0.
        test_share: Share that test gets then, above 0.
        split_seed: Seed of that split; the same for all trials.
        on_special_token: What to do with special tokens of the tokenizer in a record's own text: ``error`` counts them,
            ``text`` has them read and written letter by letter, so that they control nothing.
    """

    on_bad_record: Literal["error", "skip"] = "error"
    on_duplicate: Literal["error", "drop", "keep"] = "error"
    on_long_prompt: Literal["error", "drop"] = "error"
    validation_share: float = 0.1
    test_share: float = 0.1
    split_seed: int = 0
    on_special_token: Literal["error", "text"] = "error"

    def __post_init__(self) -> None:
        if not (self.validation_share > 0 and self.test_share > 0 and self.validation_share + self.test_share < 1):
            raise ValueError(
                f"The shares of validation ({self.validation_share}) and test ({self.test_share}) leave no room for "
                "all three splits: each needs more than 0, and their sum less than 1. Change "
                "`data.init_args.reading.validation_share` or `data.init_args.reading.test_share`."
            )
