"""``export``: a checkpoint as an adapter folder, or merged into its base model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from jsonargparse.typing import Path_fr

from lightning_quicktune.cli.parsing import parse_settings


@dataclass(frozen=True)
class ExportSettings:
    """Writes a trained adapter so that peft and transformers load it.

    Args:
        fit: The fit YAML that the checkpoint was trained with.
        checkpoint: The ``.ckpt`` file.
        output: Folder to write.
        merge: Whether to merge the adapter into the base model.
    """

    fit: Path_fr
    checkpoint: str
    output: str
    merge: bool = False


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("export", ExportSettings, args)
    from lightning_quicktune.compose import build, read_yaml
    from lightning_quicktune.finetune.export import export_adapter, export_merged, load_adapter
    from lightning_quicktune.finetune.finetuner import Finetuner

    composed = build(read_yaml(Path(settings.fit)))
    module = composed.model
    if not isinstance(module, Finetuner):
        raise ValueError(f"`fit` composes a {type(module).__name__}, but only a Finetuner has an adapter to export.")
    module.use_chat_template(getattr(composed.data, "chat_template", None))
    load_adapter(module, settings.checkpoint)
    folder = (export_merged if settings.merge else export_adapter)(module, settings.output)
    sys.stdout.write(f"Written to {folder}\n")
