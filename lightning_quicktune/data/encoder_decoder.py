"""Records to token ids for a model that reads the question with one half and writes the answer with the other."""

from __future__ import annotations

import numpy as np
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.tokens import TokenRecord
from lightning_quicktune.data.turns import Record


def encode_pair(record: Record, tokenizer: PreTrainedTokenizerBase) -> TokenRecord:
    """Encodes all turns but the last as the tokenizer encodes any text, and the last one as its target.

    Args:
        record: The record.
        tokenizer: The base model's tokenizer.

    Returns:
        The ids of the prompt and then of the answer, which ends with the end-of-sequence token; never cut.

    Raises:
        ValueError: If there is no such token, or nothing is left of the question.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"The tokenizer `{tokenizer.name_or_path}` has no end-of-sequence token, so a model could not learn where "
            "an answer ends. Set its `eos_token`, or name another base model as `model.init_args.base_model.name`."
        )
    prompt = list(tokenizer(record.question, verbose=False)["input_ids"])
    if not prompt:
        raise ValueError(
            f"The question of {record.where} becomes no token: `{tokenizer.name_or_path}` drops all its characters, "
            "and there would be nothing to answer. Write the question in characters that the base model knows."
        )
    answer = list(tokenizer(text_target=record.answer, verbose=False)["input_ids"])
    if answer[-1:] != [tokenizer.eos_token_id]:
        answer.append(tokenizer.eos_token_id)
    return TokenRecord(
        input_ids=np.asarray(prompt + answer, dtype=np.int64),
        target_mask=np.arange(len(prompt) + len(answer)) >= len(prompt),
        prompt_length=len(prompt),
        prompt_text=record.question,
        answer=record.answer,
    )
