"""Shows a dataset as the model will see it: sizes, lengths, meta-features, and records with their loss mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.meta_features import TEXT_META_FEATURES, text_meta_features
from lightning_quicktune.data.split_names import SPLITS
from lightning_quicktune.data.tokens import TokenRecord

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
SHOWN_RECORDS = 3
ENCODER_NOTE = {"decoder": "", "encoder_decoder": ", and the encoder reads what stands before"}


def inspection(task_data: TaskData) -> str:
    """Describes a task in Markdown.

    Args:
        task_data: The task, after ``setup``.

    Returns:
        The text; in the records that it shows, what is learned stands between « and ».
    """
    facts = task_data.describe()
    shown = task_data.tokens("train")[:SHOWN_RECORDS]
    layout = task_data.token_settings.layout
    sections = [
        f"# {task_data.path}",
        f"{facts['n_skipped']} records can't be used, {facts['n_duplicates']} were dropped as duplicates.",
        _lengths(task_data),
        *([_packing(task_data)] if task_data.packing else []),
        "## Meta-features of the training records",
        _meta_features(task_data),
        f"## First training records; the loss is taken between « and »{ENCODER_NOTE[layout]}",
        *(f"````text\n{marked(record, task_data.tokenizer)}\n````" for record in shown),
    ]
    return "\n\n".join(sections)


def marked(record: TokenRecord, tokenizer: PreTrainedTokenizerBase) -> str:
    """Decodes a record, with « and » around the tokens that are learned."""
    pieces = []
    pairs = zip(record.target_mask.tolist(), record.input_ids.tolist(), strict=True)
    for is_target, run in groupby(pairs, key=lambda pair: pair[0]):
        text = str(tokenizer.decode([token for _, token in run]))
        pieces.append(f"«{text}»" if is_target else text)
    return "".join(pieces)


def _lengths(task_data: TaskData) -> str:
    header = ["split", "records", "too long", "tokens", *(f"{quantile:.0%}" for quantile in QUANTILES)]
    facts = task_data.describe()
    rows = []
    for split in SPLITS:
        tokens = task_data.tokens(split)
        parts = {
            "all": [record.n_tokens for record in tokens],
            "prompt": [record.prompt_length for record in tokens],
            "learned": [record.n_targets for record in tokens],
        }
        for part, lengths in parts.items():
            quantiles = np.quantile(lengths, QUANTILES, method="nearest")
            rows.append([split, facts[f"{split}_records"], facts[f"{split}_too_long"], part, *quantiles])
    return _table(header, rows)


def _packing(task_data: TaskData) -> str:
    """How full the rows of the first slice are."""
    batches = list(task_data.train_dataloader())
    n_tokens = sum(batch["n_tokens"] for batch in batches)
    rows = sum(len(batch["input_ids"]) for batch in batches)
    positions = sum(batch["input_ids"].numel() for batch in batches)
    return (
        f"Packed: the {len(batches)} micro-batches of the first slice have {rows} rows, in which {n_tokens} of "
        f"{positions} positions ({n_tokens / positions:.0%}) are text."
    )


def _meta_features(task_data: TaskData) -> str:
    values = text_meta_features(task_data.records("train"), task_data.tokens("train"))
    rows = [[name, f"{values[name]:.4g}", unit, meaning] for name, (unit, meaning) in TEXT_META_FEATURES.items()]
    return _table(["name", "value", "unit", "meaning"], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
