"""Records to token ids with a loss mask, by one template for training, scoring and generation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.encoder_decoder import encode_pair
from lightning_quicktune.data.special_tokens import RESERVED, SpecialTokens, texts, unshielded
from lightning_quicktune.data.targets import Passage, Writer
from lightning_quicktune.data.template import Template
from lightning_quicktune.data.tokenize import Tokenize
from lightning_quicktune.data.tokens import Layout, TokenRecord
from lightning_quicktune.data.turns import BadRecordError, Record, Turn


class Encoder:
    """Writes records in a template and marks what is to be learned.

    Args:
        tokenizer: The base model's tokenizer.
        template: ``chat`` for the tokenizer's own chat template; ``plain`` for question, line break, answer and
            end-of-sequence token.
        layout: Whether the model reads question and answer in one row, or has an encoder for the question; such a
            model knows ``plain`` alone.
        thinking: Whether questions without answers are to be answered after reasoning, as in the training records.

    Raises:
        ValueError: If the model has an encoder, and the template is another than ``plain``.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: Template,
        layout: Layout = "decoder",
        *,
        thinking: bool = False,
    ) -> None:
        if layout == "encoder_decoder" and template != "plain":
            raise ValueError(
                f"`data.init_args.template` is {template}, but the model of `{tokenizer.name_or_path}` has an encoder, "
                "which reads the question as it is, without the marks of a chat. Set `data.init_args.template: plain`."
            )
        self._tokenizer = tokenizer
        self._layout = layout
        self._thinking = thinking
        self._special = SpecialTokens.of(tokenizer)
        self._tokenize = Tokenize(tokenizer, self._special)
        self._writer = Writer(tokenizer, template, self._special)

    def pairs(self, record: Record) -> list[tuple[Record, TokenRecord]]:
        """Encodes one record, each token record beside the record that it is one of.

        Args:
            record: The record; turns after its last learned answer are left out.

        Raises:
            ValueError: As ``encode`` does.
        """
        tokens = self.encode(record)
        parts = answers_apart(record)
        if len(tokens) == 1:
            return [(replace(record, turns=record.turns[: len(parts[-1].turns)]) if parts else record, tokens[0])]
        return list(zip(parts, tokens, strict=True))

    def encode(self, record: Record) -> list[TokenRecord]:
        """Encodes one record; special tokens in its own text become text.

        The prompt's ids are those that a generation starts from: training and inference can't differ.

        Args:
            record: The record; its last turn is the user's where an answer is to be generated.

        Returns:
            One token record. Where a template writes an earlier answer of a conversation differently than as the last
            turn, one for each of ``answers_apart``. Never cut.

        Raises:
            ValueError: If the tokenizer lacks what the template needs.
            BadRecordError: If the template rejects a role, rewrites or drops a turn, or does not end the assistant's
                turns with a special token.
        """
        if any(RESERVED.search(text) for text in texts(record)):
            raise BadRecordError("a text holds one of the characters U+100001 to U+100004, which are no text")
        shielded = self._special.shielded(record)
        if self._layout == "encoder_decoder":
            return [encode_pair(shielded, self._tokenizer, self._tokenize)]
        if record.turns[-1].role != "assistant":
            return [self._question(self._writer.prompt(shielded, thinking=self._thinking))]
        parts = answers_apart(record)
        if not parts:
            raise BadRecordError("none of its answers is to be learned")
        passages = self._writer.passages(replace(shielded, turns=shielded.turns[: len(parts[-1].turns)]))
        spoken = parts if len(passages) > 1 else parts[-1:]
        return [self._answered(passage, part) for passage, part in zip(passages, spoken, strict=True)]

    def _question(self, passage: Passage) -> TokenRecord:
        ids = np.asarray(self._tokenize.ids(passage.text), dtype=np.int64)
        nothing, mark = np.zeros(len(ids), dtype=np.bool_), self._mark(passage)
        return TokenRecord(ids, nothing, len(ids), unshielded(passage.text), "", mark)

    def _mark(self, passage: Passage) -> tuple[int, ...]:
        return tuple(self._tokenize.ids(passage.answer_mark.strip()))

    def _answered(self, passage: Passage, record: Record) -> TokenRecord:
        cuts = [cut for target in passage.targets for cut in target]
        ids, lengths = self._tokenize.cut(passage.text, cuts)
        mask = np.zeros(len(ids), dtype=np.bool_)
        for start, end in zip(lengths[::2], lengths[1::2], strict=True):
            mask[start:end] = True
        return TokenRecord(
            input_ids=np.asarray(ids, dtype=np.int64),
            target_mask=mask,
            prompt_length=lengths[-2],
            prompt_text=unshielded(passage.text[: cuts[-2]]),
            answer=record.answer,
            answer_mark=self._mark(passage),
        )


def answers_apart(record: Record) -> list[Record]:
    """The record up to each of its learned answers, the earlier ones being context there.

    Args:
        record: A record.

    Returns:
        One record for each answer that is learned; its last turn is that answer.
    """
    context = tuple(replace(turn, learned=False) if turn.role == "assistant" else turn for turn in record.turns)
    return [
        replace(record, turns=(*context[:number], turn))
        for number, turn in enumerate(record.turns)
        if turn.role == "assistant" and turn.learned
    ]


def encode(
    record: Record, tokenizer: PreTrainedTokenizerBase, template: Template, layout: Layout = "decoder"
) -> list[TokenRecord]:
    """Encodes one record, as ``Encoder`` does."""
    return Encoder(tokenizer, template, layout).encode(record)


def stop_token_ids(tokenizer: PreTrainedTokenizerBase, template: Template) -> tuple[int, ...]:
    """Ids on which a generation should stop: the template's end-of-turn token and the tokenizer's own end."""
    turns = (Turn("user", "question"), Turn("assistant", "answer"))
    (encoded,) = encode(Record(turns, "template", 1), tokenizer, template)
    end_of_turn = int(encoded.input_ids[encoded.target_mask][-1])
    return tuple(dict.fromkeys(i for i in (end_of_turn, tokenizer.eos_token_id) if i is not None))
