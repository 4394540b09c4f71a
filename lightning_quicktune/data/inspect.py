"""The inspection of a dataset: records with their loss mask, what stops training, sizes, meta-features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.examine import Examination
from lightning_quicktune.data.fields import canonical
from lightning_quicktune.data.meta_features import TEXT_META_FEATURES, text_meta_features
from lightning_quicktune.data.names import PARTS
from lightning_quicktune.data.report import ReadingReport
from lightning_quicktune.data.showing import GUILLEMETS, Marks, marked
from lightning_quicktune.data.split_names import SPLITS, SplitName
from lightning_quicktune.data.targets import thinks
from lightning_quicktune.data.template import Conversation, render
from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.wording.markdown import markdown_table

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
SHOWN_PROBLEMS = 20
ENCODER_NOTE = {"decoder": "", "encoder_decoder": ", and the encoder reads what stands before"}


def inspection(data: TaskData, found: Examination, n_records: int, marks: Marks = GUILLEMETS) -> str:
    """Describes a task in Markdown, its first records with their loss mask before all else.

    Args:
        data: The task, after ``examine``.
        found: What that found.
        n_records: Most records to show.
        marks: What stands around text that is learned.
    """
    if not found.is_read:
        return "\n\n".join([f"# {data.path}", _faults(found)])
    shown = data.tokens("train")[:n_records]
    report = data.report
    sections = [
        f"# {data.path}",
        f"## First training records; the loss is taken {marks.meaning}{ENCODER_NOTE[data.token_settings.layout]}",
        *(f"````text\n{marked(record, data.tokenizer, marks)}\n````" for record in shown),
        _prompt_note(data),
        _faults(found),
        _problems(found, SHOWN_PROBLEMS),
        "\n".join(f"Note: {note}" for note in found.notes),
        "## What was read",
        _counts(data),
        _formats(report),
        _keys(report, data.reading.columns),
        _shared(report.shared_questions),
        "## Lengths",
        _lengths(data),
        _packing(data) if data.packing else "",
        "## Meta-features of the training records",
        _meta_features(data),
    ]
    return "\n\n".join(filter(None, sections))


def bad_records(data: TaskData, found: Examination) -> str:
    """All records of a task that can't be used, with the reason of each.

    Args:
        data: The task, after ``examine``.
        found: What that found.
    """
    listed = _problems(found, None)
    nothing = "" if found.faults or listed else "Every record can be used."
    return "\n\n".join(filter(None, [f"# {data.path}", _faults(found), listed, nothing]))


def _faults(found: Examination) -> str:
    return "\n".join(["## What stops training", "", *(f"- {fault}" for fault in found.faults)]) if found.faults else ""


def _problems(found: Examination, limit: int | None) -> str:
    if not found.problems:
        return ""
    more = len(found.problems) - len(found.problems[:limit])
    lines = [f"- {problem}" for problem in found.problems[:limit]]
    hidden = [f"- and {more} more, which `--where bad` shows"] if more else []
    return "\n".join([f"## {len(found.problems)} records that can't be used as they are", "", *lines, *hidden])


def _counts(data: TaskData) -> str:
    facts = data.describe()
    return f"{facts['n_skipped']} records can't be used, {facts['n_duplicates']} were dropped as duplicates."


def _formats(report: ReadingReport) -> str:
    """Counts by the splits that the files have; of one file, which is yet to be cut, by none."""
    names = sorted({name for formats in report.formats.values() for name in formats})
    splits: tuple[SplitName, ...] = SPLITS if len(report.formats) > 1 else ("train",)
    rows = [[name, *(report.formats.get(split, {}).get(name, 0) for split in splits)] for name in names]
    return markdown_table(["format", *(splits if len(splits) > 1 else ["records"])], rows) if rows else ""


def _keys(report: ReadingReport, columns: Mapping[str, str]) -> str:
    ours = {canonical(theirs): name for name, theirs in columns.items()}
    part = {key: PARTS.get(ours.get(canonical(key), canonical(key)), "read") for key in report.read}
    rows = [[f"`{key}`", count, part[key]] for key, count in sorted(report.read.items())]
    rows += [[f"`{key}`", count, "not read"] for key, count in sorted(report.ignored.items())]
    return markdown_table(["key", "records", "became"], rows) if rows else ""


def _shared(counts: Mapping[SplitName, int]) -> str:
    parts = [f"{count} of {split}" for split, count in counts.items() if count]
    return f"Records whose question is in a later split too: {', '.join(parts)}." if parts else ""


def _prompt_note(data: TaskData) -> str:
    """Says so where a generation starts elsewhere than at the template's own mark."""
    record, tokens = data.records("train")[0], data.tokens("train")[0]
    if data.token_settings.template == "plain":
        return ""
    asked = Conversation(record.turns[:-1], record.tools, thinking=thinks(record.turns[-1]))
    try:
        own = render(asked, data.tokenizer, "chat", generation=True)
    except BadRecordError:  # tool calls whose arguments this template wants as text
        return ""
    if own == tokens.prompt_text:
        return ""
    return (
        f"Answers are generated from a prompt that ends in {tokens.prompt_text[-40:]!r}, while the template's own ends "
        f"in {own[-40:]!r}: whoever serves the model must start where training did."
    )


def _lengths(data: TaskData) -> str:
    header = ["split", "records", "too long", "tokens", *(f"{quantile:.0%}" for quantile in QUANTILES)]
    facts = data.describe()
    rows = []
    for split in SPLITS:
        tokens = data.tokens(split)
        parts = {
            "all": [record.n_tokens for record in tokens],
            "prompt": [record.prompt_length for record in tokens],
            "learned": [record.n_targets for record in tokens],
        }
        for part, lengths in parts.items():
            quantiles = np.quantile(lengths, QUANTILES, method="nearest")
            rows.append([split, facts[f"{split}_records"], facts[f"{split}_too_long"], part, *quantiles])
    return markdown_table(header, rows)


def _packing(data: TaskData) -> str:
    """How full the rows of the first slice are."""
    batches = list(data.train_dataloader())
    n_tokens = sum(batch["n_tokens"] for batch in batches)
    rows = sum(len(batch["input_ids"]) for batch in batches)
    positions = sum(batch["input_ids"].numel() for batch in batches)
    return (
        f"Packed: the {len(batches)} micro-batches of the first slice have {rows} rows, in which {n_tokens} of "
        f"{positions} positions ({n_tokens / positions:.0%}) are text."
    )


def _meta_features(data: TaskData) -> str:
    values = text_meta_features(data.records("train"), data.tokens("train"))
    rows = [[name, f"{values[name]:.4g}", unit, meaning] for name, (unit, meaning) in TEXT_META_FEATURES.items()]
    return markdown_table(["name", "value", "unit", "meaning"], rows)
