"""What a script that pretrains several architectures needs to know of each, and the tokenizer they share."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from pretraining.dialogues import Dialogue
from pretraining.recipe import Recipe

MAX_LENGTH = 256


class Row(NamedTuple):
    """Token ids of one dialogue."""

    prompt: list[int]
    answer: list[int]


class Predictions(NamedTuple):
    """What a model predicts for a batch of rows.

    Args:
        logits: Unnormalized scores of each target, shape ``(B, T, V)``.
        targets: Token ids, int64, shape ``(B, T)``.
        in_prompt: Whether a target is part of the prompt, bool, shape ``(B, T)``.
        in_answer: Whether it is part of the answer; padding is neither.
    """

    logits: Tensor
    targets: Tensor
    in_prompt: Tensor
    in_answer: Tensor


class Architecture(Protocol):
    """A kind of model, and how dialogues are written for it."""

    def tokenizer(self, recipe: Recipe, texts: Iterable[str]) -> PreTrainedTokenizerFast:
        """A tokenizer made from texts, with the special tokens of the architecture."""

    def model(self, recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
        """A model with random weights."""

    def rows(self, tokenizer: PreTrainedTokenizerFast, dialogues: Sequence[Dialogue]) -> list[Row]:
        """Dialogues as the model reads them."""

    def predict(self, model: PreTrainedModel, rows: Sequence[Row], pad: int) -> Predictions:
        """Runs the model on a batch."""


def byte_level_bpe(texts: Iterable[str], vocabulary: int, special_tokens: Sequence[AddedToken]) -> Tokenizer:
    """Trains a byte-level BPE in which every digit is a token.

    Args:
        texts: What to learn merges from.
        vocabulary: Tokens, special ones included.
        special_tokens: These come last.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[0-9]"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.add_special_tokens(list(special_tokens))
    return bpe
