"""``export``: a checkpoint as an adapter folder, or merged into its base model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse.typing import Path_fr

from lightning_quicktune.cli.parsing import parse_settings

if TYPE_CHECKING:
    from lightning_quicktune.finetune.finetuner import Finetuner


@dataclass(frozen=True)
class ExportSettings:
    """Writes a trained adapter so that peft and transformers load it.

    Args:
        fit: The fit YAML that the checkpoint was trained with, or the ``config.yaml`` that ``fit`` kept.
        checkpoint: The ``.ckpt`` file.
        output: Folder to write, without an adapter or a model in it.
        merge: Whether to merge the adapter into the base model.
        with_base: Whether to write the base model too, beside the adapter, into the folder ``base``.
    """

    fit: Path_fr
    checkpoint: str
    output: str
    merge: bool = False
    with_base: bool = False

    def __post_init__(self) -> None:
        if self.merge and self.with_base:
            raise ValueError(
                "`merge` and `with_base` are both true, but a merged model holds its base. Leave one of them out."
            )


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("export", ExportSettings, args)
    from lightning_quicktune.compose import build, read_yaml
    from lightning_quicktune.finetune.export import check_free, export_adapter, export_merged, load_adapter
    from lightning_quicktune.finetune.finetuner import Finetuner
    from lightning_quicktune.finetune.provenance import provenance

    check_free(Path(settings.output))
    fit = read_yaml(Path(settings.fit))
    module = build(fit).model
    if not isinstance(module, Finetuner):
        raise ValueError(f"`fit` composes a {type(module).__name__}, but only a Finetuner has an adapter to export.")
    try:
        about = provenance(fit, load_adapter(module, settings.checkpoint))
        if settings.merge:
            folder = export_merged(module, settings.output, about)
        else:
            folder = export_adapter(module, settings.output, about, settings.with_base)
    finally:
        module.release()
    sys.stdout.write(f"Written to {folder}\n{_where_the_base_is(module, settings)}")


def _where_the_base_is(module: Finetuner, settings: ExportSettings) -> str:
    """Said of an adapter alone whose base model is on no hub: elsewhere nobody finds it by the path of this machine."""
    from lightning_quicktune.finetune.base_files import base_reference

    reference = base_reference(module.base_model)
    if settings.merge or settings.with_base or reference.on_hub:
        return ""
    return (
        f"Its base model is in {reference.source} on this machine and on no hub: `--with_base true` writes it beside "
        "the adapter, `--merge true` both as one model.\n"
    )
