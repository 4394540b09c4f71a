"""A record as token ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Layout = Literal["decoder", "encoder_decoder"]


@dataclass(frozen=True, eq=False)
class TokenRecord:
    """A record as the model reads it; an encoder-decoder reads the prompt and writes the rest.

    Args:
        input_ids: Token ids of the whole record, shape ``(T,)``.
        target_mask: Whether a token is learned: those of the assistant's turns with their end-of-turn token.
        prompt_length: Tokens before the last answer; all of them where there is none.
        prompt_text: Text of these tokens: what a generation starts from.
        answer: The last answer, as in the record; empty where there is none.
        answer_mark: What the model writes between its reasoning and its answer, if the record has reasoning: the
            answer is what follows it.
    """

    input_ids: npt.NDArray[np.int64]
    target_mask: npt.NDArray[np.bool_]
    prompt_length: int
    prompt_text: str
    answer: str
    answer_mark: tuple[int, ...] = ()

    @property
    def prompt_ids(self) -> npt.NDArray[np.int64]:
        """Token ids that a generation starts from."""
        return self.input_ids[: self.prompt_length]

    @property
    def n_tokens(self) -> int:
        """Tokens in all."""
        return len(self.input_ids)

    @property
    def n_targets(self) -> int:
        """Tokens that are predicted and learned; nothing predicts the first one."""
        return int(self.target_mask[1:].sum())
