"""A Phi-3 Mini of full size with random weights and the miniature's tokenizer, for measuring speed alone."""

from __future__ import annotations

import shutil
from pathlib import Path

NANO = Path(__file__).parents[2] / "lightning_quicktune" / "assets" / "nano_phi3"
SIZES = {
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32064,
    "max_position_embeddings": 4096,
    "original_max_position_embeddings": 4096,
    "sliding_window": 2047,
}


def save_phi3(folder: Path) -> Path:
    """Writes 3.7 billion weights in bfloat16 (7.4 GB), made on the GPU where there is one."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(NANO, **SIZES)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    for path in NANO.iterdir():
        if "token" in path.name or path.suffix == ".jinja" or path.name == "generation_config.json":
            shutil.copy(path, folder / path.name)
    del model
    torch.cuda.empty_cache()
    return folder
