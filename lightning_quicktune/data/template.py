"""Records to token ids with a loss mask, by one template for training, scoring and generation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.clock import chat_template
from lightning_quicktune.data.encoder_decoder import encode_pair
from lightning_quicktune.data.tokens import Layout, TokenRecord
from lightning_quicktune.data.turns import Record, Turn

Template = Literal["chat", "plain"]


def encode(
    record: Record, tokenizer: PreTrainedTokenizerBase, template: Template, layout: Layout = "decoder"
) -> TokenRecord:
    """Writes a record in the tokenizer's template and marks what is to be learned.

    The prompt's ids are what the same template gives for generation: training and inference can't differ.

    Args:
        record: The record.
        tokenizer: The base model's tokenizer.
        template: ``chat`` for the tokenizer's own chat template; ``plain`` for question, line break, answer and
            end-of-sequence token.
        layout: Whether the model reads question and answer in one row, or has an encoder for the question; such a
            model knows ``plain`` alone.

    Returns:
        The ids, never cut.

    Raises:
        ValueError: If the template does not exist, rejects a role, rewrites a turn that it rendered before, or does
            not end the assistant's turns with a special token.
    """
    if layout == "encoder_decoder":
        _check_plain(tokenizer, template)
        return encode_pair(record, tokenizer)
    text = render(record.turns, tokenizer, template, where=record.where)
    cuts = [0, *_answer_cuts(record, text, tokenizer, template), len(text)]
    ids, lengths = _tokenize(record, text, cuts, tokenizer)
    mask = np.zeros(len(ids), dtype=np.bool_)
    for start, end in zip(lengths[1:-1:2], lengths[2:-1:2], strict=True):
        mask[start:end] = True
    return TokenRecord(
        input_ids=np.asarray(ids, dtype=np.int64),
        target_mask=mask,
        prompt_length=lengths[-3],
        prompt_text=text[: cuts[-3]],
        answer=record.answer,
    )


def stop_token_ids(tokenizer: PreTrainedTokenizerBase, template: Template) -> tuple[int, ...]:
    """Ids on which a generation should stop: the template's end-of-turn token and the tokenizer's own end."""
    turns = (Turn("user", "question"), Turn("assistant", "answer"))
    encoded = encode(Record(turns, "template", 1), tokenizer, template)
    end_of_turn = int(encoded.input_ids[encoded.target_mask][-1])
    return tuple(dict.fromkeys(i for i in (end_of_turn, tokenizer.eos_token_id) if i is not None))


def render(
    turns: Sequence[Turn],
    tokenizer: PreTrainedTokenizerBase,
    template: Template,
    *,
    generation: bool = False,
    where: str = "the prompt",
) -> str:
    """Writes turns in a template; where it asks for the date, always in the same one.

    Args:
        turns: What was said so far.
        tokenizer: The base model's tokenizer.
        template: Which template.
        generation: Whether the text ends where the assistant starts to answer.
        where: What error messages call these turns.

    Returns:
        The text, with special tokens.

    Raises:
        ValueError: If the tokenizer lacks what the template needs, or its template rejects the turns.
    """
    if template == "plain":
        return _render_plain(turns, tokenizer)
    if not tokenizer.chat_template:
        raise ValueError(
            f"The tokenizer `{tokenizer.name_or_path}` has no chat template, so it isn't known how its model marks "
            "question and answer. Set `data.init_args.template: plain`, or use an instruction-tuned base model."
        )
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    try:
        return str(
            tokenizer.apply_chat_template(
                messages, chat_template=chat_template(tokenizer), tokenize=False, add_generation_prompt=generation
            )
        )
    except TemplateError as error:
        raise ValueError(
            f"The chat template of `{tokenizer.name_or_path}` rejects {where}, whose roles are "
            f"{', '.join(turn.role for turn in turns)}: {error}. Each turn must reach the model as it is in the file. "
            "Move a system text into the first question, let user and assistant alternate, or set "
            "`data.init_args.template: plain`."
        ) from error


def _check_plain(tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    if template != "plain":
        raise ValueError(
            f"`data.init_args.template` is {template}, but the model of `{tokenizer.name_or_path}` has an encoder, "
            "which reads the question as it is, without the marks of a chat. Set `data.init_args.template: plain`."
        )


def _render_plain(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> str:
    if tokenizer.eos_token is None:
        raise ValueError(
            f"The tokenizer `{tokenizer.name_or_path}` has no end-of-sequence token, so a model could not learn where "
            "an answer ends. Set its `eos_token`, or use `data.init_args.template: chat`."
        )
    begins = tokenizer.bos_token is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    ends = {"assistant": str(tokenizer.eos_token)}
    return "".join([str(tokenizer.bos_token) if begins else "", *(t.content + ends.get(t.role, "\n") for t in turns)])


def _answer_cuts(record: Record, text: str, tokenizer: PreTrainedTokenizerBase, template: Template) -> list[int]:
    """Positions in ``text`` where each of the assistant's turns starts and, after its end-of-turn token, ends."""
    cuts: list[int] = []
    for number, turn in enumerate(record.turns):
        if turn.role != "assistant":
            continue
        prompt = render(record.turns[:number], tokenizer, template, generation=True, where=record.where)
        content = text.find(turn.content.strip(), len(prompt))
        if not text.startswith(prompt) or content < 0 or len(prompt) < max(cuts, default=0):
            raise ValueError(
                f"The chat template of `{tokenizer.name_or_path}` writes the turns of {record.where} differently once "
                "the answer is there, so the prompt in training would not be the prompt in generation. Set "
                "`data.init_args.template: plain`, or give the tokenizer a template that only appends."
            )
        cuts += [len(prompt), _end_of_turn(record, text, content + len(turn.content.strip()), tokenizer)]
    return cuts


def _end_of_turn(record: Record, text: str, position: int, tokenizer: PreTrainedTokenizerBase) -> int:
    """Position after the special token that follows ``position``, white space aside."""
    rest = text[position:].lstrip()
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    found = max((token for token in special if rest.startswith(token)), key=len, default=None)
    if found is None:
        raise ValueError(
            f"No end-of-turn token follows an answer of {record.where}: the template of `{tokenizer.name_or_path}` "
            f"goes on with {rest[:20]!r}. A model that never learns to end its turn does not stop generating. Set "
            "`data.init_args.template: plain`, or give the tokenizer a template that ends turns with a special token."
        )
    return len(text) - len(rest) + len(found)


def _tokenize(
    record: Record, text: str, cuts: Sequence[int], tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[int]]:
    """Ids of ``text``, and how many of them lie before each cut.

    Where a token would reach over a cut (an answer that begins with white space), the parts are tokenized apart: the
    model goes on from the prompt's own tokens then, as it does in generation.
    """
    ids = _ids(tokenizer, text)
    prefixes = [_ids(tokenizer, text[:cut]) for cut in cuts[:-1]]
    if all(ids[: len(prefix)] == prefix for prefix in prefixes):
        return ids, [*map(len, prefixes), len(ids)]
    parts = [_ids(tokenizer, text[start:end]) for start, end in pairwise(cuts)]
    joined = [i for part in parts for i in part]
    if tokenizer.decode(joined) != tokenizer.decode(ids):
        raise ValueError(
            f"The prompt of {record.where} is no prefix of the whole record's tokens: `{tokenizer.name_or_path}` joins "
            "the end of the prompt and the start of the answer into one token, and changes the text when they are kept "
            "apart. Remove the white space at the start of this answer."
        )
    return joined, np.cumsum([0, *map(len, parts)]).tolist()


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
