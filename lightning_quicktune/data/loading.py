"""The loader of a task's splits as token records, once per process however many trials use them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.encode import Encoder
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.report import ReadingReport
from lightning_quicktune.data.sources import content_digest
from lightning_quicktune.data.special_tokens import check_special_tokens
from lightning_quicktune.data.split_names import SPLITS, SplitName
from lightning_quicktune.data.splits import read_splits
from lightning_quicktune.data.targets import thinks
from lightning_quicktune.data.template import Template
from lightning_quicktune.data.tokens import Layout, TokenRecord
from lightning_quicktune.data.turns import Record
from lightning_quicktune.data.unwritable import Unwritable
from lightning_quicktune.types import Value

CACHED_TASKS = 16  # a few MB each


@dataclass(frozen=True)
class TokenSettings:
    """How records become tokens.

    Args:
        template: Which template, see ``encode``.
        max_length: Most tokens that a record may have, prompt and answer together.
        layout: What the model reads in one row.
    """

    template: Template
    max_length: int
    layout: Layout = "decoder"


@dataclass(frozen=True)
class LoadedSplit:
    """One split of a task.

    Where a template makes one text per answer of a conversation, each counts as a record, here and in slices.

    Args:
        records: Its records, those that were too long left out.
        tokens: The same, as tokens.
        long: Records that were too long: file, line and tokens.
    """

    records: tuple[Record, ...]
    tokens: tuple[TokenRecord, ...]
    long: tuple[str, ...]

    @property
    def n_long(self) -> int:
        """Records that were too long."""
        return len(self.long)

    @property
    def n_unanswered(self) -> int:
        """Records without an answer, which can be answered but not scored."""
        return sum(not _is_answered(record) for record in self.records)


@dataclass(frozen=True, eq=False)
class LoadedTask:
    """The splits of a task, and what was left out of them.

    Args:
        splits: The splits by name, none of them empty.
        n_skipped: Records left out because they can't be used, or the template can't write them.
        n_duplicates: Records left out of a split because a later split has them too.
        digest: Its ``token_digest``.
        report: What was found in the files, with what the template can't write.
    """

    splits: Mapping[SplitName, LoadedSplit]
    n_skipped: int
    n_duplicates: int
    digest: str
    report: ReadingReport

    def facts(self) -> dict[str, Value]:
        """Sizes, lengths in tokens, and what was left out."""
        facts: dict[str, Value] = {
            "content_digest": self.digest,
            "n_skipped": self.n_skipped,
            "n_duplicates": self.n_duplicates,
            "n_shared_questions": sum(self.report.shared_questions.values()),
        }
        for name, split in self.splits.items():
            lengths = [record.n_tokens for record in split.tokens]
            facts |= {
                f"{name}_records": len(split.tokens),
                f"{name}_too_long": split.n_long,
                f"{name}_tokens_median": float(np.median(lengths)),
                f"{name}_tokens_max": max(lengths),
                f"{name}_targets": sum(record.n_targets for record in split.tokens),
            }
        return facts


Unanswered = frozenset[SplitName]
_CacheKey = tuple[str, ReadingSettings, TokenSettings, str, Unanswered]
_cache: OrderedDict[_CacheKey, LoadedTask] = OrderedDict()


def load_task(
    path: str,
    reading: ReadingSettings,
    settings: TokenSettings,
    tokenizer: PreTrainedTokenizerBase,
    unanswered: Unanswered = frozenset(),
) -> LoadedTask:
    """Reads and tokenizes a task, or returns what an equal call in this process has made.

    Args:
        path: Folder, file or public id.
        reading: How files become records.
        settings: How records become tokens.
        tokenizer: The base model's tokenizer.
        unanswered: Splits whose records may lack an answer, because they are only to be answered. Where all may, each
            split of one file without any answer is the whole file.

    Returns:
        Three splits.

    Raises:
        FileNotFoundError: If nothing is at ``path``, or a split is missing.
        ValueError: If records can't be used or written, hold special tokens or are too long, and the settings don't
            allow for it.
    """
    key = (content_digest(path, reading.subset), reading, settings, tokenizer_digest(tokenizer), unanswered)
    if key not in _cache:
        _cache[key] = _load(path, reading, settings, tokenizer, unanswered)
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
    path: str,
    reading: ReadingSettings,
    settings: TokenSettings,
    tokenizer: PreTrainedTokenizerBase,
    unanswered: Unanswered,
) -> LoadedTask:
    splits = read_splits(path, reading, unanswered)
    records = splits.records
    differing = [name for n, name in enumerate(SPLITS) if not any(records[name] is records[s] for s in SPLITS[:n])]
    everything = [record for name in differing for record in records[name]]
    if reading.on_special_token == "error":
        check_special_tokens(everything, tokenizer)
    unwritable = Unwritable()
    encoded: dict[SplitName, list[tuple[Record, TokenRecord]]] = {}
    for name in differing:
        thinking = any(thinks(record.turns[-1]) for record, _ in encoded.get("train", []))
        encoder = Encoder(tokenizer, settings.template, settings.layout, thinking=thinking)
        encoded |= dict.fromkeys(SPLITS if len(differing) == 1 else [name], unwritable.encoded(records[name], encoder))
    unwritable.check({name: len(pairs) for name, pairs in encoded.items()}, skip=reading.on_bad_record == "skip")
    _check_lengths(path, encoded, settings.max_length, drop=reading.on_long_prompt == "drop")
    loaded = {name: _fitting(pairs, settings.max_length) for name, pairs in encoded.items()}
    report = replace(splits.report, problems=(*splits.report.problems, *unwritable.problems))
    n_skipped = splits.n_skipped + unwritable.count
    return LoadedTask(loaded, n_skipped, splits.n_duplicates, token_digest(loaded), report)


def _is_answered(record: Record) -> bool:
    return record.turns[-1].role == "assistant"


def token_digest(splits: Mapping[SplitName, LoadedSplit]) -> str:
    """Changes with what is trained on or scored in any split, not with where its files lie.

    Texts alone would not do: another tokenizer or chat template makes other tokens, and other targets, of them.

    Args:
        splits: All splits of a task.

    Returns:
        A digest of each record's turns, token ids, target mask and prompt length, in their order.
    """
    digest = hashlib.sha256()
    for name in SPLITS:
        for record, tokens in zip(splits[name].records, splits[name].tokens, strict=True):
            turns = [(turn.role, turn.content) for turn in record.turns]
            digest.update(repr((name, turns, tokens.prompt_length, tokens.n_tokens)).encode())
            digest.update(tokens.input_ids.astype("<i8").tobytes() + tokens.target_mask.tobytes())
    return digest.hexdigest()[:16]


def _fitting(pairs: Sequence[tuple[Record, TokenRecord]], max_length: int) -> LoadedSplit:
    fitting = [(record, tokens) for record, tokens in pairs if tokens.n_tokens <= max_length]
    records, tokens = zip(*fitting, strict=True)
    long = tuple(f"{record.where}: {each.n_tokens} tokens" for record, each in pairs if each.n_tokens > max_length)
    return LoadedSplit(records, tokens, long)


def _check_lengths(
    path: str, encoded: Mapping[SplitName, Sequence[tuple[Record, TokenRecord]]], max_length: int, *, drop: bool
) -> None:
    n_long = {name: sum(tokens.n_tokens > max_length for _, tokens in pairs) for name, pairs in encoded.items()}
    if not any(n_long.values()):
        return
    longest, where = max((tokens.n_tokens, record.where) for pairs in encoded.values() for record, tokens in pairs)
    counts = ", ".join(f"{n_long[name]} of {len(pairs)} in {name}" for name, pairs in encoded.items())
    message = (
        f"Records of `{path}` are longer than {max_length} tokens: {counts}; the longest, {where}, has {longest}. "
        "They are never cut, because a cut would take away the answer or tear the template. "
    )
    remedy = f"Raise `data.init_args.max_length` to {longest}"
    emptied = [name for name, pairs in encoded.items() if n_long[name] == len(pairs)]
    if drop and emptied:
        raise ValueError(f"{message}Without them nothing is left in {' and '.join(emptied)}. {remedy}.")
    if not drop:
        raise ValueError(f"{message}{remedy}, or set `data.init_args.reading.on_long_prompt: drop` to leave them out.")
    rank_zero_warn(f"{message}They are left out, because `data.init_args.reading.on_long_prompt` is drop.")
