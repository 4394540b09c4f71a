"""A fit as files for another trainer: settings, records, and for TRL the adapter's first weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_quicktune.finetune.elsewhere.carried import Carried, carry
from lightning_quicktune.finetune.elsewhere.trl import write_trl
from lightning_quicktune.finetune.elsewhere.yaml_trainers import dataset_info, write_yaml
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.output_folder import RECIPES, WEIGHTS, whole_folder
from lightning_quicktune.finetune.tokenizer_files import save_tokenizer


def write_elsewhere(
    trainer: str, module: Finetuner, arguments: Mapping[str, Any], data: Any, seed: int, folder: Path
) -> list[str]:
    """Writes what another trainer needs to train the same.

    Args:
        trainer: ``trl``, ``llamafactory`` or ``axolotl``.
        module: The finetuner; the adapter is put on its base model.
        arguments: Arguments of the Trainer.
        data: The data module, read and tokenized.
        seed: Seed of everything.
        folder: Where to write.

    Returns:
        What can't be said there.

    Raises:
        FileExistsError: If the folder holds a recipe, an adapter or a model.
        ValueError: If no other trainer could do that.
    """
    carried = carry(module, arguments, data, seed)
    with whole_folder(folder, (*WEIGHTS, *RECIPES)) as target:
        if trainer == "trl":
            return _with_start(carried, module, target)
        return _with_records(trainer, carried, data.records("train"), target)


def _with_start(carried: Carried, module: Finetuner, folder: Path) -> list[str]:
    """For TRL, which takes tokens and an adapter as they are."""
    module.model.save_pretrained(folder / "start")
    (folder / "start" / "README.md").unlink(missing_ok=True)  # a template that nobody filled in
    save_tokenizer(module.tokenizer, module.base_model, folder / "start")
    return write_trl(carried, folder)


def _with_records(trainer: str, carried: Carried, records: Sequence[Any], folder: Path) -> list[str]:
    """For trainers that make tokens of messages themselves."""
    rows = [{"messages": [{"role": t.role, "content": t.content} for t in record.turns]} for record in records]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    if trainer == "llamafactory":
        (folder / "dataset_info.json").write_text(dataset_info(), encoding="utf-8")
    left_out = any(turn.tool_calls or turn.reasoning for record in records for turn in record.turns)
    about = ["records: calls of tools and reasoning are left out of train.jsonl"] if left_out else []
    return write_yaml(trainer, carried, folder, about)
