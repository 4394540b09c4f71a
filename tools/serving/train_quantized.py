#!/usr/bin/env python
"""Puts adapters on a tiny Phi-3 whose weights bitsandbytes holds in 4 and 8 bits, trains a step, and takes them off.

Run here, with bitsandbytes in PYTHONPATH. Usage: tools/serving/train_quantized.py FOLDER TOLD
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, Phi3Config, Phi3ForCausalLM

from lightning_quicktune.finetune.base_model import BaseModel, BaseModelSettings, load_base_model
from lightning_quicktune.finetune.lora import LoraSettings, attach_adapter, detach_adapter
from lightning_quicktune.finetune.source import resolve_base_model

KINDS = {
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    "fp4": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": True},
    "int8": {"load_in_8bit": True},
}
TOKENS = torch.arange(40)[None]
N_STEPS, RATE = 8, 0.02


def main(folder: Path, output: Path) -> None:
    """Writes what came out for each kind of weights."""
    plain = folder / "plain"
    tokenizer = AutoTokenizer.from_pretrained(resolve_base_model("nano"))
    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "max_position_embeddings": 256}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "initializer_range": 0.1}
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    model = Phi3ForCausalLM(Phi3Config(vocab_size=len(tokenizer), **sizes, **heads, **ids))
    model.save_pretrained(plain)
    told: dict[str, Any] = {"n_parameters": sum(weight.numel() for weight in model.parameters())}
    for kind, settings in KINDS.items():
        rounded = AutoModelForCausalLM.from_pretrained(plain, quantization_config=BitsAndBytesConfig(**settings))
        rounded.save_pretrained(folder / kind)
        tokenizer.save_pretrained(folder / kind)
        told[kind] = tried(load_base_model(BaseModelSettings(str(folder / kind))))
    output.write_text(json.dumps(told, indent=1))


def tried(base: BaseModel) -> dict[str, Any]:
    """Facts of one base model, and of each adapter on it."""
    told: dict[str, Any] = {"quantization": base.info.quantization, "n_parameters": base.info.n_parameters}
    told["too large"] = refused(base, LoraSettings(rank=129))
    told["pissa"] = refused(base, LoraSettings(rank=4, initialization="pissa"))
    for variant in ("lora", "rslora", "dora"):
        try:
            told[variant] = trained(base, LoraSettings(rank=4, variant=variant))
        except ValueError as error:
            told[variant] = str(error)
    told["as before"] = logits(base.model).isfinite().all().item()
    return told


def refused(base: BaseModel, settings: LoraSettings) -> str:
    """Why such an adapter is refused, or nothing."""
    try:
        detach_adapter(attach_adapter(base, settings))
    except ValueError as error:
        return str(error)
    return ""


def trained(base: BaseModel, settings: LoraSettings) -> dict[str, Any]:
    """Losses before and after some steps, the adapter's format, and whether the base model is afterwards as it was."""
    before = logits(base.model)
    adapted = attach_adapter(base, settings)
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    optimizer, losses = torch.optim.Adam(weights, RATE), []
    adapted.train()
    for _ in range(N_STEPS):
        loss = adapted(input_ids=TOKENS, labels=TOKENS, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    formats = sorted({str(weight.dtype) for weight in weights})
    detach_adapter(adapted)
    return {"losses": losses, "formats": formats, "restored": torch.equal(logits(base.model), before)}


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    """What the model gives for some tokens."""
    found: torch.Tensor = model(input_ids=TOKENS, use_cache=False).logits
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
