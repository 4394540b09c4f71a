"""Records to token ids for a model that reads the question with one half and writes the answer with the other."""

from __future__ import annotations

import numpy as np
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.special_tokens import unshielded
from lightning_quicktune.data.tokenize import Tokenize
from lightning_quicktune.data.tokens import TokenRecord
from lightning_quicktune.data.turns import BadRecordError, Record


def encode_pair(record: Record, tokenizer: PreTrainedTokenizerBase, tokenize: Tokenize) -> TokenRecord:
    """Encodes all turns but the last as the tokenizer encodes any text, and the last one as its target.

    Args:
        record: The record, its special tokens shielded; all of it is the question where its last turn is the user's.
        tokenizer: The base model's tokenizer.
        tokenize: Makes ids of shielded text.

    Returns:
        The ids of the prompt and then of the answer, which ends with the end-of-sequence token; never cut.

    Raises:
        ValueError: If there is no such token.
        BadRecordError: If nothing is left of the question, or the record has what no plain text holds.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"The tokenizer `{tokenizer.name_or_path}` has no end-of-sequence token, so a model could not learn where "
            "an answer ends. Set its `eos_token`, or name another base model as `model.init_args.base_model.name`."
        )
    if record.tools or any(turn.tool_calls or turn.reasoning for turn in record.turns):
        raise BadRecordError(
            "an encoder reads plain text, which can't hold tools, tool calls or reasoning. Leave such records out, or "
            "name a decoder-only base model as `model.init_args.base_model.name`"
        )
    answered = record.turns[-1].role == "assistant"
    question = record.question if answered else "\n".join(turn.content for turn in record.turns)
    prompt = tokenize.framed(question)
    if not prompt:
        raise BadRecordError(
            f"the question becomes no token: `{tokenizer.name_or_path}` drops all its characters, and there would be "
            "nothing to answer. Write the question in characters that the base model knows"
        )
    answer = tokenize.framed(record.answer, target=True) if answered else []
    if answered and answer[-1:] != [tokenizer.eos_token_id]:
        answer.append(tokenizer.eos_token_id)
    return TokenRecord(
        input_ids=np.asarray(prompt + answer, dtype=np.int64),
        target_mask=np.arange(len(prompt) + len(answer)) >= len(prompt),
        prompt_length=len(prompt),
        prompt_text=unshielded(question),
        answer=unshielded(record.answer) if answered else "",
    )
