#!/usr/bin/env python
"""Exports tiny random models of many architectures, merged with an adapter, and keeps their logits beside them.

Usage: tools/serving/make_architectures.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import save_file
from transformers import AutoTokenizer

from lightning_quicktune.finetune.base_model import BaseModelSettings
from lightning_quicktune.finetune.export import export_merged
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner, Seq2SeqFinetuner
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.source import resolve_base_model

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 512,
}
GROUPED = {**SHAPE, "num_key_value_heads": 2}
FAR = {"rope_type": "default", "rope_theta": 500000.0}
HALF = {**FAR, "partial_rotary_factor": 0.5}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "rope_theta": 500000.0, "factor": 4.0, "original_max_position_embeddings": 128}
LONG = {
    "rope_type": "longrope",
    "rope_theta": 20000.0,
    "short_factor": [1.0 + n / 8 for n in range(8)],
    "long_factor": [2.0 + n for n in range(8)],
}
LAYERS = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 900000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0},
}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
BUILD = {
    "llama": lambda ids: hf.LlamaForCausalLM(hf.LlamaConfig(**GROUPED, **ids, rope_parameters=dict(FAR))),
    "llama3": lambda ids: hf.LlamaForCausalLM(hf.LlamaConfig(**GROUPED, **ids, rope_parameters=dict(LLAMA3))),
    "qwen2": lambda ids: hf.Qwen2ForCausalLM(hf.Qwen2Config(**GROUPED, **ids, rope_parameters=dict(FAR))),
    "qwen3_yarn": lambda ids: hf.Qwen3ForCausalLM(
        hf.Qwen3Config(**GROUPED, **ids, head_dim=16, rope_parameters=dict(YARN))
    ),
    "mistral": lambda ids: hf.MistralForCausalLM(
        hf.MistralConfig(**GROUPED, **ids, sliding_window=8, rope_parameters=dict(FAR))
    ),
    "phi3": lambda ids: hf.Phi3ForCausalLM(
        hf.Phi3Config(**GROUPED, **ids, sliding_window=8, rope_parameters=dict(HALF))
    ),
    "phi3_long": lambda ids: hf.Phi3ForCausalLM(
        hf.Phi3Config(**GROUPED, **ids, original_max_position_embeddings=256, rope_parameters=dict(LONG))
    ),
    "phi": lambda ids: hf.PhiForCausalLM(hf.PhiConfig(**GROUPED, **ids, rope_parameters=dict(HALF))),
    "stablelm": lambda ids: hf.StableLmForCausalLM(hf.StableLmConfig(**GROUPED, **ids, rope_parameters=dict(HALF))),
    "gpt_neox": lambda ids: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**SHAPE, **ids, rope_parameters=dict(HALF))),
    "gemma2": lambda ids: hf.Gemma2ForCausalLM(
        hf.Gemma2Config(**GROUPED, **ids, head_dim=16, sliding_window=8, rope_parameters=dict(FAR))
    ),
    "gemma3": lambda ids: hf.Gemma3ForCausalLM(
        hf.Gemma3TextConfig(**GROUPED, **ids, head_dim=16, sliding_window=8, rope_parameters=LAYERS)
    ),
    "gpt2": lambda ids: hf.GPT2LMHeadModel(hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=512, **ids)),
    "t5": lambda ids: hf.T5ForConditionalGeneration(hf.T5Config(**T5, **ids)),
    "t5_1_1": lambda ids: own_head(
        hf.T5ForConditionalGeneration(
            hf.T5Config(**T5, **ids, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
        )
    ),
    "mt5": lambda ids: own_head(
        hf.MT5ForConditionalGeneration(hf.MT5Config(**T5, **ids, feed_forward_proj="gated-gelu"))
    ),
}


def own_head(model: Any) -> Any:
    """A T5 whose output head is not its embedding."""
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    return model


def main(folder: Path) -> None:
    """Writes ``NAME/merged`` and ``NAME/logits.safetensors`` for each architecture."""
    tokenizer = AutoTokenizer.from_pretrained(resolve_base_model("nano"))
    ids = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    tokens = torch.arange(100).mul(7).remainder(len(tokenizer))[None]
    for name, build in BUILD.items():
        torch.manual_seed(0)
        build(ids).save_pretrained(folder / name / "base")
        tokenizer.save_pretrained(folder / name / "base")
        kind = Seq2SeqFinetuner if "t5" in name else CausalLMFinetuner
        module = kind(BaseModelSettings(str(folder / name / "base")), lora=LoraSettings(rank=4, variant="rslora"))
        module.configure_model()
        with torch.no_grad():
            for weight in module.parameters():
                if weight.requires_grad:
                    weight.add_(0.05 * torch.randn_like(weight))
            module.model.eval()
            answers = {"decoder_input_ids": tokens[:, :20]} if "t5" in name else {}
            logits = module.model(input_ids=tokens, **answers).logits
        export_merged(module, folder / name / "merged")
        module.release()
        save_file({"tokens": tokens, "logits": logits}, folder / name / "logits.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
