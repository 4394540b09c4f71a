"""Writes a trained adapter as a folder that peft and transformers load, or merged into its base model."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.resuming import read_checkpoint

MERGE_TOLERANCE = 1e-3


def load_adapter(module: Finetuner, checkpoint: str | Path) -> None:
    """Puts the adapter of a Lightning checkpoint into the module, which loads its base model.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is damaged, or belongs to another base model or adapter.
    """
    state = read_checkpoint(checkpoint, "checkpoint")
    module.on_load_checkpoint(state)
    module.load_state_dict(state["state_dict"], strict=False)


def export_adapter(module: Finetuner, folder: str | Path) -> Path:
    """Writes adapter (safetensors), its peft config and the tokenizer with its chat template.

    An adapter that took a part of the base weights out of them is written as one of twice the rank, which subtracts
    that part, so that it goes on the base model as everybody has it.

    Returns:
        The folder, for ``AutoPeftModelForCausalLM.from_pretrained`` of peft, or ``AutoPeftModelForSeq2SeqLM``.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    target = Path(folder)
    module.model.save_pretrained(target)
    if module.lora.alters_base:
        config = module.model.peft_config["default"]
        trained = {k: v.detach().cpu() for k, v in get_peft_model_state_dict(module.model).items()}
        save_file(_less_start(trained, module.model.before_adapter.start), target / "adapter_model.safetensors")
        _twice_the_rank(config).save_pretrained(target)
    module.tokenizer.save_pretrained(target)
    return target


def export_merged(module: Finetuner, folder: str | Path) -> Path:
    """Writes base model and adapter as one model, after comparing its logits with those of both apart.

    Raises:
        RuntimeError: If the merged model answers differently, relative to the largest logit, by more than 0.1 %.
    """
    target = Path(folder)
    module.model.eval()
    with torch.no_grad():
        apart = _some_logits(module.model)
        merged = copy.deepcopy(module.model).merge_and_unload()
        together = _some_logits(merged)
    difference = float((apart - together).abs().max() / apart.abs().max())
    if not difference <= MERGE_TOLERANCE:
        raise RuntimeError(
            f"The merged model's logits differ from base model plus adapter by {difference:.2g} of the largest logit "
            f"(at most {MERGE_TOLERANCE} is right). Set `model.init_args.base_model.dtype: float32` and export again."
        )
    merged.save_pretrained(target)
    module.tokenizer.save_pretrained(target)
    return target


def _some_logits(model: Any) -> Tensor:
    tokens = torch.arange(16, device=model.device).remainder(model.config.vocab_size)[None]
    answers = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
    logits: Tensor = model(input_ids=tokens, use_cache=False, **answers).logits.float()
    return logits


def _less_start(trained: dict[str, Tensor], start: dict[str, Tensor]) -> dict[str, Tensor]:
    """Adapter weights whose product is that of ``trained`` minus that of ``start``: B A - B0 A0 = [B, -B0] [A; A0]."""
    both = dict(trained)
    for name, weight in trained.items():
        if "lora_A" in name:
            both[name] = torch.cat([weight, start[name]], dim=0).contiguous()
        elif "lora_B" in name:
            both[name] = torch.cat([weight, -start[name]], dim=1).contiguous()
    return both


def _twice_the_rank(config: Any) -> Any:
    """A plain LoRA config of twice the rank and the same scale: alpha over the rank, or in rsLoRA over its root."""
    alpha = config.lora_alpha * (2**0.5 if config.use_rslora else 2)
    return replace(config, r=2 * config.r, lora_alpha=alpha, init_lora_weights=True, inference_mode=True)
