"""What a GGUF file says of its tokenizer and Transformers' reader leaves out, written into the converted folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_quicktune.finetune.gguf_rope import UnknownMeaningError

_DIGITS_APART = {"smollm", "starcoder", "refact", "command-r", "codeshell"}
_LIKE_GPT2 = {None, "default", "gpt-2", "mpt", "olmo", "jais", "phi-2"}
_PHI3_KEEPS_WHAT_FOLLOWS = ("<unk>", "<s>", "<|endoftext|>")
_CONTROL, _USER_DEFINED = 3, 4
_GPT2_SPLIT = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def set_tokens(folder: Path, architecture: str, values: Mapping[str, Any]) -> None:
    """Mends the tokenizer of a converted folder by what its file says.

    Args:
        folder: What ``save_pretrained`` of tokenizer and model has written.
        architecture: Of the model, as the file names it.
        values: Every key of the file that begins with ``tokenizer.``, without that.

    Raises:
        UnknownMeaningError: If the file cuts text in a way that can't be set.
    """
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    if values.get("ggml.model") == "llama":
        _set_space_prefix(tokenizer, values.get("ggml.add_space_prefix", True))
        if architecture == "phi3":
            _strip_after_turns(tokenizer, values)
    elif values.get("ggml.model") == "gpt2":
        _set_cuts(tokenizer, values.get("ggml.pre"))
    else:
        raise UnknownMeaningError(f"`tokenizer.ggml.model` is {values.get('ggml.model')}, not llama or gpt2")
    path.write_text(json.dumps(tokenizer, ensure_ascii=False, indent=2))
    _read_as_it_is(folder, tokenizer)
    _check_ends(folder, values)


def _set_space_prefix(tokenizer: dict[str, Any], wanted: bool) -> None:
    """Whether a space is put before the text, and taken away when tokens become text again."""
    before = [part for part in _parts(tokenizer.get("normalizer"), "normalizers") if part["type"] == "Prepend"]
    cuts = [part for part in _parts(tokenizer.get("pre_tokenizer"), "pretokenizers") if part["type"] == "Metaspace"]
    has = bool(before) or any(part.get("prepend_scheme", "always") != "never" for part in cuts)
    if has == wanted:
        return
    if wanted:
        raise UnknownMeaningError("`tokenizer.ggml.add_space_prefix` is true, which this tokenizer can't")
    for part in cuts:
        part["prepend_scheme"] = "never"
    _drop(tokenizer, "normalizer", "normalizers", "Prepend")
    _drop(tokenizer, "decoder", "decoders", "Strip")
    for part in _parts(tokenizer.get("decoder"), "decoders"):
        if part["type"] == "Metaspace":
            part["prepend_scheme"] = "never"


def _strip_after_turns(tokenizer: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Phi-3's marks of turns swallow the white space after them; its GGUF files don't say so."""
    kinds = values.get("ggml.token_type") or ()
    marks = {
        token
        for token, kind in zip(values["ggml.tokens"], kinds, strict=False)
        if kind in (_CONTROL, _USER_DEFINED) and token not in _PHI3_KEEPS_WHAT_FOLLOWS
    }
    for token in tokenizer["added_tokens"]:
        token["rstrip"] = token["content"] in marks or token["content"] == "</s>"


def _set_cuts(tokenizer: dict[str, Any], name: str | None) -> None:
    """How text is cut into words before it becomes tokens; Transformers takes GPT-2's way for names it doesn't know."""
    from transformers.integrations.gguf import gguf_tokenizer_mapping

    if name in gguf_tokenizer_mapping.GGUF_PRE_TOKENIZER_SPLITS or name in _LIKE_GPT2:
        return
    if name in _DIGITS_APART:
        parts = [{"type": "Digits", "individual_digits": True}, _GPT2_SPLIT]
    elif name == "falcon":
        parts = [
            {"type": "Punctuation", "behavior": "Contiguous"},
            _GPT2_SPLIT,
            {"type": "Digits", "individual_digits": False},
            {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": False},
        ]
    else:
        raise UnknownMeaningError(f"`tokenizer.ggml.pre` is {name}, a way to cut text that can't be set")
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": parts}


def _read_as_it_is(folder: Path, tokenizer: dict[str, Any]) -> None:
    """Classes of tokenizers build parts of their own when they are loaded; this one takes the file."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    stripping = {token["content"]: token["rstrip"] for token in tokenizer["added_tokens"]}
    for token in config.get("added_tokens_decoder", {}).values():
        token["rstrip"] = stripping[token["content"]]
    path.write_text(json.dumps(config, ensure_ascii=False, indent=2))


def _check_ends(folder: Path, values: Mapping[str, Any]) -> None:
    """Refuses a tokenizer whose first or last token is another than the file's, as in some versions of Transformers."""
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    for name, key in (("bos_token_id", "ggml.bos_token_id"), ("eos_token_id", "ggml.eos_token_id")):
        if key in values and getattr(loaded, name) != values[key]:
            raise UnknownMeaningError(
                f"this Transformers reads {getattr(loaded, name)} as `tokenizer.{key}`, which is {values[key]}"
            )


def _parts(step: dict[str, Any] | None, several: str) -> list[dict[str, Any]]:
    """The steps of a part of a tokenizer, which is one or a sequence."""
    return [] if step is None else step[several] if step["type"] == "Sequence" else [step]


def _drop(tokenizer: dict[str, Any], name: str, several: str, kind: str) -> None:
    step = tokenizer.get(name)
    if step is not None and step["type"] == "Sequence":
        step[several] = [part for part in step[several] if part["type"] != kind]
    elif step is not None and step["type"] == kind:
        tokenizer[name] = None
