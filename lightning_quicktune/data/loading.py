"""Loads a task's splits as token records, once per process however many trials use them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lightning.pytorch.utilities import rank_zero_warn
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.records import Record
from lightning_quicktune.data.splits import ReadingSettings, SplitName, content_digest, read_splits
from lightning_quicktune.data.template import Template, encode
from lightning_quicktune.data.tokens import TokenRecord

CACHED_TASKS = 16  # a few MB each


@dataclass(frozen=True)
class TokenSettings:
    """How records become tokens.

    Args:
        template: Which template, see ``encode``.
        max_length: Most tokens that a record may have, prompt and answer together.
        on_long_prompt: ``error`` counts longer records; ``drop`` leaves them out and says so.
    """

    template: Template
    max_length: int
    on_long_prompt: Literal["error", "drop"]


@dataclass(frozen=True)
class LoadedSplit:
    """One split of a task.

    Args:
        records: Its records, those that were too long left out.
        tokens: The same, as tokens.
        n_long: Records that were too long.
    """

    records: tuple[Record, ...]
    tokens: tuple[TokenRecord, ...]
    n_long: int


@dataclass(frozen=True)
class LoadedTask:
    """The splits of a task, and what was left out of them.

    Args:
        splits: The splits by name, none of them empty.
        n_skipped: Records left out because they can't be used.
        n_duplicates: Records left out of a split because a later split has them too.
        digest: Changes with the content of the files.
    """

    splits: Mapping[SplitName, LoadedSplit]
    n_skipped: int
    n_duplicates: int
    digest: str


_CacheKey = tuple[str, ReadingSettings, TokenSettings, str]
_cache: OrderedDict[_CacheKey, LoadedTask] = OrderedDict()


def load_task(
    path: str, reading: ReadingSettings, settings: TokenSettings, tokenizer: PreTrainedTokenizerBase
) -> LoadedTask:
    """Reads and tokenizes a task, or returns what an equal call in this process has made.

    Args:
        path: Folder, file or public id.
        reading: How files become records.
        settings: How records become tokens.
        tokenizer: The base model's tokenizer.

    Returns:
        Three splits.

    Raises:
        FileNotFoundError: If nothing is at ``path``, or a split is missing.
        ValueError: If records can't be used or are too long, and the settings don't allow for it.
    """
    key = (content_digest(path), reading, settings, tokenizer_digest(tokenizer))
    if key not in _cache:
        _cache[key] = _load(path, reading, settings, tokenizer, digest=key[0])
        if len(_cache) > CACHED_TASKS:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Changes with everything that changes token ids: vocabulary, rules, special tokens and chat template."""
    rules = tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else str(sorted(tokenizer.get_vocab().items()))
    parts = (rules, tokenizer.chat_template, tokenizer.bos_token, tokenizer.eos_token)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _load(
    path: str, reading: ReadingSettings, settings: TokenSettings, tokenizer: PreTrainedTokenizerBase, digest: str
) -> LoadedTask:
    splits = read_splits(path, reading)
    encoded = {
        name: [(record, encode(record, tokenizer, settings.template)) for record in records]
        for name, records in splits.records.items()
    }
    _check_lengths(path, encoded, settings)
    loaded = {name: _fitting(pairs, settings.max_length) for name, pairs in encoded.items()}
    return LoadedTask(loaded, splits.n_skipped, splits.n_duplicates, digest)


def _fitting(pairs: Sequence[tuple[Record, TokenRecord]], max_length: int) -> LoadedSplit:
    fitting = [(record, tokens) for record, tokens in pairs if tokens.n_tokens <= max_length]
    records, tokens = zip(*fitting, strict=True)
    return LoadedSplit(records, tokens, len(pairs) - len(fitting))


def _check_lengths(
    path: str, encoded: Mapping[SplitName, Sequence[tuple[Record, TokenRecord]]], settings: TokenSettings
) -> None:
    lengths = {name: [tokens.n_tokens for _, tokens in pairs] for name, pairs in encoded.items()}
    n_long = {name: sum(length > settings.max_length for length in split) for name, split in lengths.items()}
    if not any(n_long.values()):
        return
    longest = max(max(split) for split in lengths.values())
    counts = ", ".join(f"{n_long[name]} of {len(split)} in {name}" for name, split in lengths.items())
    message = (
        f"Records of `{path}` are longer than {settings.max_length} tokens: {counts}; the longest has {longest}. "
        "They are never cut, because a cut would take away the answer or tear the template. "
    )
    remedy = f"Raise `data.init_args.max_length` to {longest}"
    emptied = [name for name, split in lengths.items() if n_long[name] == len(split)]
    if settings.on_long_prompt == "drop" and emptied:
        raise ValueError(f"{message}Without them nothing is left in {' and '.join(emptied)}. {remedy}.")
    if settings.on_long_prompt == "error":
        raise ValueError(f"{message}{remedy}, or set `data.init_args.on_long_prompt: drop` to leave them out.")
    rank_zero_warn(f"{message}They are left out, because `data.init_args.on_long_prompt` is drop.")
