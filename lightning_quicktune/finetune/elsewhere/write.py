"""Writes a fit for another trainer: settings, records, and for TRL the adapter's first weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_quicktune.finetune.elsewhere.carried import carry
from lightning_quicktune.finetune.elsewhere.trl import write_trl
from lightning_quicktune.finetune.elsewhere.yaml_trainers import WRITERS
from lightning_quicktune.finetune.finetuner import Finetuner
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
    """
    carried = carry(module, arguments, data, seed)
    folder.mkdir(parents=True, exist_ok=True)
    if trainer == "trl":
        module.model.save_pretrained(folder / "start")
        (folder / "start" / "README.md").unlink(missing_ok=True)  # a template that nobody filled in
        save_tokenizer(module.tokenizer, module.base_model, folder / "start")
        return write_trl(carried, folder)
    records = data.records("train")
    rows = [{"messages": [{"role": t.role, "content": t.content} for t in record.turns]} for record in records]
    (folder / "train.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    notes = WRITERS[trainer](carried, folder)
    if any(turn.tool_calls or turn.reasoning for record in records for turn in record.turns):
        notes = [*notes, "records: calls of tools and reasoning are left out of train.jsonl"]
    return notes
