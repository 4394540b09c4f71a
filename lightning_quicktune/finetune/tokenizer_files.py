"""Tokenizer files from which readers older than this version of Transformers read the same tokens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lightning_quicktune.finetune.base_files import base_file, base_json
from lightning_quicktune.finetune.base_model import BaseModelSettings

# Vocabularies as their trainers wrote them, which converters read and Transformers 5 no longer writes.
_VOCABULARIES = (
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "spm.model",
    "tekken.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
)
_CONFIG = "tokenizer_config.json"
_NOT_CARRIED = ("auto_map", "chat_template", "name_or_path", "special_tokens_map_file", "tokenizer_file")
_OF_THIS_MACHINE = ("is_local", "local_files_only")


def save_tokenizer(tokenizer: Any, base: BaseModelSettings, folder: Path) -> None:
    """Writes the tokenizer, the vocabulary files of its base model, and a config that says all that the base's said.

    Args:
        tokenizer: The tokenizer.
        base: The base model whose tokenizer it is.
        folder: Where to write.
    """
    tokenizer.save_pretrained(folder)
    for name in _VOCABULARIES:
        source = base_file(base, name)
        if source is not None and not (folder / name).exists():
            shutil.copyfile(source, folder / name)
    path = folder / _CONFIG
    written = json.loads(path.read_text(encoding="utf-8"))
    completed = _completed(written, base_json(base, _CONFIG), tokenizer)
    path.write_text(json.dumps(completed, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _completed(written: dict[str, Any], said: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
    """The config as written, with what the base said besides and under the names that older readers know."""
    kept = {key: value for key, value in said.items() if key not in written and key not in _NOT_CARRIED}
    own = {key: value for key, value in written.items() if key not in (*_NOT_CARRIED, *_OF_THIS_MACHINE)}
    config = {**_edge_tokens(tokenizer), **kept, **own}
    further = config.pop("extra_special_tokens", None)
    if isinstance(further, dict):
        config["extra_special_tokens"] = further
    elif further and "additional_special_tokens" not in config:
        config["additional_special_tokens"] = further  # its name before Transformers 5, which reads it too
    if config["tokenizer_class"] == "TokenizersBackend":
        named = said.get("tokenizer_class") or "TokenizersBackend"
        config["tokenizer_class"] = "PreTrainedTokenizerFast" if named == "TokenizersBackend" else named
    if isinstance(tokenizer.chat_template, str):
        config["chat_template"] = tokenizer.chat_template  # readers before chat_template.jinja look here
    return config


def _edge_tokens(tokenizer: Any) -> dict[str, bool]:
    """Whether a text begins with the begin token and ends with the end token, as the tokenizer does it."""
    ids = tokenizer("a").input_ids
    return {
        "add_bos_token": tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id],
        "add_eos_token": tokenizer.eos_token_id is not None and ids[-1:] == [tokenizer.eos_token_id],
    }
