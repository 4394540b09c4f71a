"""Limits of a base model: what it can't read, and too little for every device, refused before anything trains."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lightning_quicktune.data.tokens import Layout, TokenRecord


def check_packing(layout: Layout, keeps_apart: bool) -> None:
    """Refuses packing for a model in which the records of a row would see each other.

    Args:
        layout: What the model reads in one row.
        keeps_apart: Whether its attention is known to keep records apart by their positions.

    Raises:
        ValueError: If they would.
    """
    if layout == "encoder_decoder":
        raise ValueError(
            "`data.init_args.packing` is true, but an encoder reads one question per row: of several, each would "
            "see the others. Set `data.init_args.packing: false`, or use a decoder-only base model."
        )
    if not keeps_apart:
        raise ValueError(
            "`data.init_args.packing` is true, but this base model, or its attention, isn't known to keep the records "
            "of a row apart, and each would see those before it. Set `data.init_args.packing: false`; or, if "
            "`model.init_args.base_model.attention` is flash_attention_2, set that to `sdpa`."
        )


def check_positions(path: str, rows: Iterable[TokenRecord], layout: Layout, positions: int | None) -> None:
    """Refuses records with more tokens than the base model has positions.

    Args:
        path: What the records came from.
        rows: The records, with whichever answers.
        layout: What the model reads in one row.
        positions: Most tokens of a row, or none if there is no limit.

    Raises:
        ValueError: If a record is longer.
    """
    longest = max(_width(row, layout) for row in rows)
    if positions is not None and longest > positions:
        raise ValueError(
            f"The longest record of `{path}` has {longest} tokens, but the base model has {positions} positions: "
            "what lies beyond means nothing to it or, with rotary embeddings that change by length, something else to "
            f"every record of the batch. Set `data.init_args.max_length` to {positions} or less, with "
            "`data.init_args.reading.on_long_prompt: drop` to leave out longer ones, or name another base model as "
            "`model.init_args.base_model.name`."
        )


def check_enough(n_records: int, world_size: int, what: str, key: str | None = None) -> None:
    """Refuses fewer records than devices: those without any would skip the sums that the others wait for.

    Args:
        n_records: Records that are dealt.
        world_size: Devices.
        what: What the records are.
        key: Which setting below ``data.init_args`` limits their number, if one does.

    Raises:
        ValueError: If a device would have none.
    """
    if n_records < world_size:
        remedy = f"raise `data.init_args.{key}` if it is set, or" if key else "or"
        raise ValueError(
            f"There are {n_records} {what} for {world_size} devices, but each device needs at least one. Lower "
            f"`trainer.devices`, {remedy} add records to `data.init_args.path`."
        )


def check_answered(path: str, split: str, n_unanswered: int) -> None:
    """Refuses to score records without answers.

    Args:
        path: What the records came from.
        split: Which split they are of.
        n_unanswered: Records without an answer.

    Raises:
        ValueError: If there are any.
    """
    if n_unanswered:
        elsewhere = f", or move its file elsewhere to have a {split} split cut off train" * Path(path).is_dir()
        raise ValueError(
            f"{n_unanswered} {split} records of `{path}` have no answer, so there is nothing to compare with what the "
            f"model says. Add the answers to the {split} split of `data.init_args.path`{elsewhere}; `predict` alone "
            "needs none."
        )


def _width(record: TokenRecord, layout: Layout) -> int:
    """Tokens of the longest row that a model reads or writes for a record."""
    n_answer = record.n_tokens - record.prompt_length
    return record.n_tokens if layout == "decoder" else max(record.prompt_length, n_answer)
