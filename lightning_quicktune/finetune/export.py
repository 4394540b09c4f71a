"""The export of a trained adapter: a folder that peft and transformers load, or merged into its base model."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_quicktune.finetune.base_files import base_json, base_reference
from lightning_quicktune.finetune.card import BASE_FOLDER, write_adapter_card, write_base_card, write_merged_card
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.model_files import save_model
from lightning_quicktune.finetune.output_folder import whole_folder
from lightning_quicktune.finetune.plain_adapter import plain_adapter
from lightning_quicktune.finetune.provenance import Provenance
from lightning_quicktune.finetune.resuming import read_checkpoint
from lightning_quicktune.finetune.tokenizer_files import save_tokenizer

MERGE_TOLERANCE = 1e-3


def load_adapter(module: Finetuner, checkpoint: str | Path) -> dict[str, Any]:
    """Puts the adapter of a Lightning checkpoint into the module, which loads its base model.

    Returns:
        What the checkpoint holds.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is damaged, or belongs to another base model or adapter.
    """
    state = read_checkpoint(checkpoint, "checkpoint")
    module.on_load_checkpoint(state)
    module.load_state_dict(state["state_dict"], strict=False)
    return state


def export_adapter(
    module: Finetuner,
    folder: str | Path,
    about: Provenance = Provenance(),
    with_base: bool = False,
    replace: bool = False,
) -> Path:
    """Writes adapter (safetensors), its peft config, the tokenizer with its chat template, and a card.

    The adapter is written as the plain LoRA that it equals, see ``plain_adapter``.

    Args:
        module: The finetuner that was trained.
        folder: Where to write.
        about: What the card says of its training.
        with_base: Whether to write the base model too, into the folder ``base`` of the adapter's.
        replace: Whether an adapter or a model that is there already may be replaced.

    Returns:
        The folder, for ``AutoPeftModelForCausalLM.from_pretrained`` of peft, or ``AutoPeftModelForSeq2SeqLM``.

    Raises:
        FileExistsError: If the folder holds an adapter or a model that may not be replaced.
        ValueError: If the base model is to be written too, and its weights are quantized in memory.
    """
    from safetensors.torch import save_file

    if with_base:
        _check_unrounded(module, "`with_base` is true")
    with whole_folder(Path(folder), replace=replace) as target:
        config, weights = plain_adapter(module.model)
        reference = base_reference(module.base_model)
        config.base_model_name_or_path, config.revision = reference.source, reference.revision
        config.save_pretrained(target)
        save_file(weights, target / "adapter_model.safetensors", metadata={"format": "pt"})
        save_tokenizer(module.tokenizer, module.base_model, target)
        if with_base:
            _save_whole_model(module, _without_adapter(module), target / BASE_FOLDER)
            write_base_card(module, target / BASE_FOLDER)
        write_adapter_card(module, about, target, with_base)
    return Path(folder)


def export_merged(
    module: Finetuner, folder: str | Path, about: Provenance = Provenance(), replace: bool = False
) -> Path:
    """Writes base model and adapter as one model, after comparing its logits with those of both apart.

    Args:
        module: The finetuner that was trained.
        folder: Where to write.
        about: What the card says of its training.
        replace: Whether an adapter or a model that is there already may be replaced.

    Raises:
        FileExistsError: If the folder holds an adapter or a model that may not be replaced.
        RuntimeError: If the merged model answers differently, relative to the largest logit, by more than 0.1 %.
        ValueError: If the base model's weights are quantized in memory.
    """
    _check_unrounded(module, "`merge` is true")
    with whole_folder(Path(folder), replace=replace) as target:
        module.model.eval()
        with torch.no_grad():
            apart = _some_logits(module.model)
            merged = copy.deepcopy(module.model).merge_and_unload()
            together = _some_logits(merged)
        difference = float((apart - together).abs().max() / apart.abs().max())
        if not difference <= MERGE_TOLERANCE:
            raise RuntimeError(
                f"The merged model's logits differ from base model plus adapter by {difference:.2g} of the largest "
                f"logit (at most {MERGE_TOLERANCE} is right). Set `model.init_args.base_model.dtype: float32` and "
                "export again."
            )
        _save_whole_model(module, merged, target)
        write_merged_card(module, about, target)
    return Path(folder)


def _check_unrounded(module: Finetuner, asked: str) -> None:
    """Refuses to write quantized weights: an adapter would be rounded with them."""
    if getattr(module.loaded.model, "is_quantized", False):
        raise ValueError(
            f"{asked}, but the weights of `{module.loaded.name}` are quantized in memory "
            f"({module.loaded.info.quantization}), and merged into such weights an adapter is rounded too. Export the "
            "adapter alone, which goes on the folder or hub id that was trained on."
        )


def _save_whole_model(module: Finetuner, model: Any, folder: Path) -> None:
    save_model(model, base_json(module.base_model, "config.json"), folder)
    save_tokenizer(module.tokenizer, module.base_model, folder)


def _without_adapter(module: Finetuner) -> Any:
    """A copy of the base model, with the part of its weights that an adapter may have taken out."""
    model = copy.deepcopy(module.model).unload()
    for name, weight in module.model.before_adapter.weights.items():
        model.get_submodule(name).weight.data = weight.clone()
    return model


def _some_logits(model: Any) -> Tensor:
    tokens = torch.arange(16, device=model.device).remainder(model.config.vocab_size)[None]
    answers = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
    logits: Tensor = model(input_ids=tokens, use_cache=False, **answers).logits.float()
    return logits
