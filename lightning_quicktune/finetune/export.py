"""Writes a trained adapter as a folder that peft and transformers load, or merged into its base model."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from lightning_quicktune.finetune.module import CausalLMFinetuner

MERGE_TOLERANCE = 1e-3


def load_adapter(module: CausalLMFinetuner, checkpoint: str | Path) -> None:
    """Puts the adapter of a Lightning checkpoint into the module, which loads its base model.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint belongs to another base model or adapter.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint `{path}`. Give the path of a `.ckpt` file that `fit` wrote.")
    state = torch.load(path, map_location="cpu", weights_only=True)
    module.on_load_checkpoint(state)
    module.load_state_dict(state["state_dict"], strict=False)


def export_adapter(module: CausalLMFinetuner, folder: str | Path) -> Path:
    """Writes adapter (safetensors), its peft config and the tokenizer with its chat template.

    Returns:
        The folder, for ``peft.AutoPeftModelForCausalLM.from_pretrained``.
    """
    target = Path(folder)
    module.model.save_pretrained(target)
    module.tokenizer.save_pretrained(target)
    return target


def export_merged(module: CausalLMFinetuner, folder: str | Path) -> Path:
    """Writes base model and adapter as one model, after comparing its logits with those of both apart.

    Raises:
        RuntimeError: If the merged model answers differently, relative to the largest logit, by more than 0.1 %.
    """
    target = Path(folder)
    tokens = torch.arange(16).remainder(module.model.config.vocab_size)[None].to(module.device)
    module.model.eval()
    with torch.no_grad():
        apart = module.model(input_ids=tokens).logits.float()
        merged = copy.deepcopy(module.model).merge_and_unload()
        together = merged(input_ids=tokens).logits.float()
    difference = float((apart - together).abs().max() / apart.abs().max())
    if difference > MERGE_TOLERANCE:
        raise RuntimeError(
            f"The merged model's logits differ from base model plus adapter by {difference:.2g} of the largest logit "
            f"(at most {MERGE_TOLERANCE} is right). Set `model.init_args.base_model.dtype: float32` and export again."
        )
    merged.save_pretrained(target)
    module.tokenizer.save_pretrained(target)
    return target
