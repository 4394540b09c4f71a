#!/usr/bin/env python
"""Writes a tiny random Phi-3 whose tokenizer is a real SentencePiece model, in the files that Microsoft's has.

Run by transformers 4. Usage: make_tiny_phi3.py FOLDER
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import sentencepiece
import torch
from transformers import LlamaTokenizerFast, Phi3Config, Phi3ForCausalLM
from transformers.models.llama.tokenization_llama import LlamaTokenizer

TEXT = "the old bakers of a town sell blue bread and leave at a quarter past six with seventeen doors who keeps what"
TURNS = ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)


def tokenizer_files(folder: Path) -> None:
    """A vocabulary of 400 pieces with bytes, and Phi-3's turn marks, which take the blanks after them."""
    with tempfile.TemporaryDirectory() as scratch:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([f"{TEXT} {TEXT[i:]}" for i in range(60)]),
            model_prefix=f"{scratch}/tokenizer",
            vocab_size=360,
            model_type="bpe",
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="identity",
            add_dummy_prefix=True,
            remove_extra_whitespaces=False,
            hard_vocab_limit=False,
        )
        (folder / "tokenizer.model").write_bytes(Path(f"{scratch}/tokenizer.model").read_bytes())
    slow = LlamaTokenizer(str(folder / "tokenizer.model"), legacy=False, add_bos_token=False)
    first = len(slow)
    decoder = {
        str(first + n): {
            "content": mark,
            "lstrip": False,
            "normalized": False,
            "rstrip": mark != "<|endoftext|>",
            "single_word": False,
            "special": True,
        }
        for n, mark in enumerate(TURNS)
    }
    special = {"bos_token": "<s>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<unk>"}
    config = {
        **special,
        "add_bos_token": False,
        "add_eos_token": False,
        "added_tokens_decoder": decoder,
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "legacy": False,
        "model_max_length": 512,
        "padding_side": "left",
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
        "use_default_system_prompt": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "added_tokens.json").write_text(json.dumps({mark: first + n for n, mark in enumerate(TURNS)}))
    fast = LlamaTokenizerFast.from_pretrained(folder, legacy=True)  # Microsoft's file, too, has a blank after each mark
    fast.backend_tokenizer.save(str(folder / "tokenizer.json"))


def main(folder: Path) -> None:
    """Writes tokenizer and model."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer_files(folder)
    tokenizer = LlamaTokenizerFast.from_pretrained(folder)
    torch.manual_seed(0)
    end, stop = tokenizer.convert_tokens_to_ids(["<|end|>", "<|endoftext|>"])
    config = Phi3Config(
        vocab_size=64 * (len(tokenizer) // 64 + 1),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        original_max_position_embeddings=512,
        rope_theta=500000.0,
        initializer_range=0.1,
        sliding_window=None,
        bos_token_id=1,
        eos_token_id=stop,
        pad_token_id=stop,
    )
    model = Phi3ForCausalLM(config)
    model.generation_config.eos_token_id = [stop, end]
    model.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
