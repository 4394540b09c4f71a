"""The conversion of a GGUF file into a folder that means the same, or its refusal."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from lightning_quicktune.finetune.gguf_meaning import (
    ARCHITECTURES,
    check_tensors,
    set_meaning,
    set_token_ids,
    tensors_of,
)
from lightning_quicktune.finetune.gguf_rope import Facts, UnknownMeaningError
from lightning_quicktune.finetune.gguf_tokens import set_tokens

NOTE = "gguf.json"  # beside a converted model: what of the file the folder can't say
_UNROUNDED = {"F32", "F16", "BF16"}
_ROTARY = "rope_"


def convert(gguf: Path, folder: Path, mend_tokens: bool = True) -> None:
    """Dequantizes a GGUF file into ``folder``; a conversion that was killed leaves nothing behind there.

    Of processes that convert the same file at once, the first one's folder stays.

    Args:
        gguf: The file.
        folder: Where the model is to be.
        mend_tokens: Whether text becomes tokens as the file says, rather than as Transformers reads it.

    Raises:
        ValueError: If the file is damaged, or the folder would be another model than the file.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        unfinished = Path(beside) / "model"
        unfinished.mkdir()
        try:
            _write(gguf, unfinished, mend_tokens)
        except UnknownMeaningError as error:
            raise ValueError(
                f"`{gguf}` can't be taken as it is, because {error}. The model would be another one than the file's: "
                "set `model.init_args.base_model.name` to the folder or hub id that the file was made from."
            ) from error
        try:
            os.replace(unfinished, folder)
        except OSError:
            if not (folder / "config.json").is_file():
                raise


def _write(gguf: Path, folder: Path, mend_tokens: bool) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

    facts, tokens, rounding = _read(gguf)
    if facts.architecture not in ARCHITECTURES:
        raise UnknownMeaningError(
            f"its architecture is {facts.architecture}, and the conversion is known to be right for "
            f"{', '.join(ARCHITECTURES)} alone"
        )
    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    set_meaning(config, facts)
    set_token_ids(config, tokens)
    check_tensors(tensors_of(config, facts.architecture), facts.tensors, facts.architecture)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            config=config,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
        )
    except RuntimeError as error:
        raise UnknownMeaningError(
            f"its weights don't have the shapes of a model of the architecture {facts.architecture} with its settings"
        ) from error
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    if facts.architecture == "llama" and getattr(config, "sliding_window", None):
        _make_mistral(folder)
    if mend_tokens:
        set_tokens(folder, facts.architecture, tokens)
    (folder / NOTE).write_text(json.dumps({"file": gguf.name, "rounding": rounding}))


def _read(gguf: Path) -> tuple[Facts, dict[str, Any], str | None]:
    """What a file says of its model and of its tokenizer, and how most of its weights are rounded."""
    from gguf import GGUFReader, LlamaFileType

    try:
        reader = GGUFReader(gguf)
        values = {name: field.contents() for name, field in reader.fields.items()}
        architecture = str(values["general.architecture"])
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise ValueError(
            f"`{gguf}` can't be read as a GGUF file: {error!r}. It may be cut short: set "
            "`model.init_args.base_model.name` to a whole one."
        ) from error
    rotary = {t.name: t.data.astype(float).flatten() for t in reader.tensors if t.name.startswith(_ROTARY)}
    sizes: Counter[str] = Counter()
    for tensor in reader.tensors:
        sizes[tensor.tensor_type.name] += int(tensor.n_elements)
    most = sizes.most_common(1)[0][0] if sizes else "F32"
    if most in _UNROUNDED:
        rounding = None
    elif "general.file_type" in values:
        rounding = LlamaFileType(values["general.file_type"]).name.removeprefix("MOSTLY_").lower()
    else:
        rounding = most.lower()
    facts = Facts(architecture, _below(architecture, values), {tensor.name for tensor in reader.tensors}, rotary)
    return facts, _below("tokenizer", values), rounding


def _below(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(f"{prefix}."): v for name, v in values.items() if name.startswith(f"{prefix}.")}


def _make_mistral(folder: Path) -> None:
    """A Llama whose attention has a window is a Mistral, of the same weights."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config |= {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}
    path.write_text(json.dumps(config, indent=2))
