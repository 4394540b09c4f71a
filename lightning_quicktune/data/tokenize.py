"""Text to token ids, cut where prompts end and answers begin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.special_tokens import CLOSE, OPEN, SpecialTokens
from lightning_quicktune.data.turns import BadRecordError

_SHIELDED = re.compile(f"{OPEN}(.*?){CLOSE}", re.DOTALL)
_AHEAD = "\n"  # written before a later piece, and its tokens removed: some tokenizers put a space before a first one


class Tokenize:
    """Makes token ids of text in which the marks of a template are tokens and shielded ones are text.

    Args:
        tokenizer: The base model's tokenizer.
        special: Its special tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, special: SpecialTokens) -> None:
        self._tokenizer = tokenizer
        unknown = tokenizer.unk_token_id
        self._control = {number for number in special.ids.values() if number != unknown}

    def ids(self, text: str) -> list[int]:
        """Ids of a text, which may hold shielded tokens."""
        if OPEN not in text:
            return self._plain(text)
        ids: list[int] = []
        for number, piece in enumerate(_SHIELDED.split(text)):
            if piece:
                ids += self._letters(piece, bool(ids)) if number % 2 else self._piece(piece, bool(ids))
        return ids

    def framed(self, text: str, *, target: bool = False) -> list[int]:
        """Ids of a text as the tokenizer encodes any text: with the tokens that it puts before and after it.

        Args:
            text: The text, which may hold shielded tokens.
            target: Whether it is one that a model writes.
        """
        if OPEN not in text:
            return list(self._tokenizer(**{"text_target" if target else "text": text}, verbose=False)["input_ids"])
        frame = list(self._tokenizer("", verbose=False)["input_ids"])
        ends = int(frame[-1:] == [self._tokenizer.eos_token_id])
        return frame[: len(frame) - ends] + self.ids(text) + frame[len(frame) - ends :]

    def cut(self, text: str, cuts: Sequence[int]) -> tuple[list[int], list[int]]:
        """Ids of a text, and how many of them lie before each cut.

        Where a token would reach over a cut (an answer that begins with white space), the parts are tokenized apart:
        the model goes on from the prompt's own tokens then, as it does in generation.

        Args:
            text: The text.
            cuts: Positions in it, ascending.

        Raises:
            BadRecordError: If the parts apart are another text.
        """
        ids = self.ids(text)
        prefixes = [self.ids(text[:cut]) for cut in cuts]
        if all(ids[: len(prefix)] == prefix for prefix in prefixes):
            return ids, [*map(len, prefixes)]
        parts = [self.ids(text[start:end]) for start, end in pairwise([0, *cuts, len(text)])]
        joined = [i for part in parts for i in part]
        if self._tokenizer.decode(joined) != self._tokenizer.decode(ids):
            raise BadRecordError(
                f"the prompt is no prefix of the whole record's tokens: `{self._tokenizer.name_or_path}` joins the end "
                "of the prompt and the start of the answer into one token, and changes the text when they are kept "
                "apart. Remove the white space at the start of this answer"
            )
        return joined, [*accumulate(map(len, parts[:-1]))]

    def _plain(self, text: str, *, split: bool = False) -> list[int]:
        if not split:
            return list(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        return list(
            self._tokenizer(text, add_special_tokens=False, verbose=False, split_special_tokens=True)["input_ids"]
        )

    def _piece(self, piece: str, later: bool, *, split: bool = False) -> list[int]:
        ahead = self._plain(_AHEAD, split=split)
        ids = self._plain(_AHEAD + piece, split=split) if later else []
        return ids[len(ahead) :] if ids[: len(ahead)] == ahead and ids else self._plain(piece, split=split)

    def _letters(self, token: str, later: bool) -> list[int]:
        """Ids of a special token as text; letter by letter where the vocabulary has the token as a word too."""
        ids = self._piece(token, later, split=True)
        if self._control.isdisjoint(ids):
            return ids
        return [i for number, letter in enumerate(token) for i in self._piece(letter, later or number > 0, split=True)]
