"""``export``: a checkpoint as an adapter folder, or merged into its base model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse.typing import Path_fr

from lightning_quicktune.cli.parsing import parse_settings

if TYPE_CHECKING:
    from lightning_quicktune.finetune.finetuner import Finetuner


@dataclass(frozen=True)
class ExportSettings:
    """Writes a trained adapter so that peft and transformers load it.

    Args:
        fit: The fit YAML that the checkpoint was trained with, or the ``config.yaml`` that ``fit`` kept.
        checkpoint: The ``.ckpt`` file; not with ``as``.
        output: Folder to write, without an adapter or a model in it; with ``as`` without another recipe too.
        merge: Whether to merge the adapter into the base model.
        with_base: Whether to write the base model too, beside the adapter, into the folder ``base``.
        as_: The trainer for which the recipe itself is written, instead of what it trained.
    """

    fit: Path_fr
    output: str
    checkpoint: str | None = None
    merge: bool = False
    with_base: bool = False
    as_: Literal["trl", "llamafactory", "axolotl"] | None = field(
        default=None,
        metadata={"help": "The trainer for which the recipe itself is written, instead of what it trained."},
    )

    def __post_init__(self) -> None:
        if self.as_ is None and self.checkpoint is None:
            raise ValueError(
                "There is nothing to export: `checkpoint` is not set, and neither is `as`. Give the `.ckpt` that `fit` "
                "wrote as `--checkpoint`, or another trainer as `--as` to carry the recipe there."
            )
        if self.as_ is not None and (self.checkpoint is not None or self.merge or self.with_base):
            raise ValueError(
                f"`as` is {self.as_}, which carries a recipe to another trainer, but `checkpoint`, `merge` and "
                "`with_base` are of weights that were trained here. Leave them out, or `--as`."
            )
        if self.merge and self.with_base:
            raise ValueError(
                "`merge` and `with_base` are both true, but a merged model holds its base. Leave one of them out."
            )


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("export", ExportSettings, args)
    from lightning_quicktune.compose import build, read_yaml
    from lightning_quicktune.finetune.export import export_adapter, export_merged, load_adapter
    from lightning_quicktune.finetune.finetuner import Finetuner
    from lightning_quicktune.finetune.output_folder import RECIPES, WEIGHTS, check_free
    from lightning_quicktune.finetune.provenance import provenance

    check_free(Path(settings.output), WEIGHTS if settings.as_ is None else (*WEIGHTS, *RECIPES))
    fit = read_yaml(Path(settings.fit))
    if settings.as_ is not None:
        sys.stdout.write(_carry(fit, settings))
        return
    composed = build(fit)
    module = composed.model
    if not isinstance(module, Finetuner):
        raise ValueError(f"`fit` composes a {type(module).__name__}, but only a Finetuner has an adapter to export.")
    module.use_chat_template(getattr(composed.data, "chat_template", None))
    try:
        about = provenance(fit, load_adapter(module, str(settings.checkpoint)))
        if settings.merge:
            folder = export_merged(module, settings.output, about)
        else:
            folder = export_adapter(module, settings.output, about, settings.with_base)
    finally:
        module.release()
    sys.stdout.write(f"Written to {folder}\n{_where_the_base_is(module, settings)}")


def _carry(fit: Mapping[str, Any], settings: ExportSettings) -> str:
    """Writes the recipe for another trainer; says where, and what can't be said there."""
    from lightning.pytorch import seed_everything

    from lightning_quicktune.compose import build
    from lightning_quicktune.finetune.elsewhere.write import write_elsewhere
    from lightning_quicktune.trials.task_setup import task_objects

    composed = build(dict(fit))
    seed_everything(composed.seed, verbose=False)
    module, data = task_objects(dict(fit))
    try:
        notes = write_elsewhere(str(settings.as_), module, composed.trainer, data, composed.seed, Path(settings.output))
    finally:
        module.release()
    told = "".join(f"  - {note}\n" for note in notes)
    return f"Written to {settings.output}\n" + (f"What {settings.as_} can't be told:\n{told}" if told else "")


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
