"""Model cards of exports: base model and digest, data, settings, scores, and how to use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lightning_quicktune.finetune.base_files import BaseReference, base_reference
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.provenance import Provenance

BASE_FOLDER = "base"


def write_adapter_card(module: Finetuner, about: Provenance, folder: Path, with_base: bool) -> None:
    """Writes the card of an adapter folder.

    Args:
        module: The finetuner that was trained.
        about: Where the adapter comes from.
        folder: The adapter's folder.
        with_base: Whether the base model lies beside the adapter.
    """
    base, reference = module.loaded.info, base_reference(module.base_model)
    head = {"library_name": "peft", "pipeline_tag": _task(module), "tags": ["lora", "lightning-quicktune"]}
    lines = [
        f"# An adapter for {base.name}",
        f"The adapter belongs to {_base_words(module, reference)} On other weights it is another model.",
        f"The base model lies in `{BASE_FOLDER}`." if with_base else "",
        _serving(module, reference, with_base),
        *_facts(module, about),
    ]
    _write(folder, head, reference, lines)


def write_merged_card(module: Finetuner, about: Provenance, folder: Path) -> None:
    """Writes the card of a merged model; converters to GGUF take the model's name from it.

    Args:
        module: The finetuner that was trained.
        about: Where the adapter comes from.
        folder: The model's folder.
    """
    reference = base_reference(module.base_model)
    words = f"A finetuned model: an adapter, merged into {_base_words(module, reference)}"
    _write_model(module, "finetuned", folder, [words, *_facts(module, about)])


def write_base_card(module: Finetuner, folder: Path) -> None:
    """Writes the card of a base model that lies beside its adapter.

    Args:
        module: The finetuner that was trained.
        folder: The model's folder.
    """
    _write_model(module, "base", folder, [f"The model {_base_words(module, base_reference(module.base_model))}"])


def _write_model(module: Finetuner, kind: str, folder: Path, lines: list[str]) -> None:
    model: Any = module.loaded.model
    name = model_name(module.loaded.name, model.config.model_type, module.tokenizer, kind)
    head = {
        "name": name,
        "library_name": "transformers",
        "pipeline_tag": _task(module),
        "tags": ["lightning-quicktune"],
    }
    warning = (
        "`name` above is read by llama.cpp's converter, which decides by it how turn marks of Phi-3 are read. Keep its "
        "beginning."
    )
    told = [warning] if name.startswith("phi3") else []
    _write(folder, head, base_reference(module.base_model), [f"# {name}", *lines[:1], *told, *lines[1:]])


def model_name(base: str, model_type: str, tokenizer: Any, kind: str) -> str:
    """A name by which llama.cpp strips blanks after turn marks exactly where the tokenizer does.

    It does so for all special tokens of a model whose name holds ``phi3`` or ``phi-3``, and for no other.

    Args:
        base: Name of the base model.
        model_type: Its architecture, as Transformers calls it.
        tokenizer: Its tokenizer.
        kind: What the name ends with.
    """
    special = tokenizer.added_tokens_decoder.values()
    strips = model_type == "phi3" and any(token.special and token.rstrip for token in special)
    plain = base.lower().replace("phi-3", "phi3")
    if strips:
        return f"phi3-{plain.replace('phi3', '').strip('-._') or 'mini'}-{kind}".replace("--", "-")
    return f"{plain.replace('phi3', 'model')}-{kind}"


def _base_words(module: Finetuner, reference: BaseReference) -> str:
    info = module.loaded.info
    revision = f", revision `{reference.revision}`" if reference.revision else ""
    where = f"`{reference.source}`{revision} on the Hugging Face hub" if reference.on_hub else f"`{info.name}`"
    rounded = "" if info.quantization == "none" else f" (weights {info.quantization})"
    return (
        f"{where}{rounded}: {info.n_parameters:,} parameters, digest of weights and configuration `{info.weight_hash}`."
    )


def _serving(module: Finetuner, reference: BaseReference, with_base: bool) -> str:
    """What a person types to use it, and what doesn't take it."""
    source = BASE_FOLDER if with_base else reference.source if reference.on_hub else "FOLDER_OF_THE_BASE_MODEL"
    auto = "AutoModelForSeq2SeqLM" if module.layout == "encoder_decoder" else "AutoModelForCausalLM"
    python = (
        f"```python\nbase = {auto}.from_pretrained({source!r})\n"
        "model = PeftModel.from_pretrained(base, 'FOLDER_OF_THIS_CARD')\n```\n\n"
        "llama.cpp: `convert_lora_to_gguf.py --base FOLDER_OF_THE_BASE_MODEL FOLDER_OF_THIS_CARD`."
    )
    if module.lora.variant != "dora":
        return python
    return (
        f"{python}\n\nThis is a DoRA adapter (weights with a magnitude of their own). peft applies it; llama.cpp's "
        "converter and most servers of adapters refuse it or leave the magnitudes out. To serve it there, merge it: "
        "`lightning-quicktune export --merge true`."
    )


def _facts(module: Finetuner, about: Provenance) -> list[str]:
    scores = {(module.score.name if name == "score" else name): value for name, value in about.scores.items()}
    tested = {name: round(value, 6) for name, value in about.tested.items()}
    return [
        _section("Data", about.data, "not told to the exporter"),
        _section("Configuration", about.settings, "not told to the exporter"),
        _section(
            "Scores on the validation split", {k: round(v, 6) for k, v in scores.items()}, "none in the checkpoint"
        ),
        *([_section("Scores on the test split", tested, "")] if tested else []),
        "Made by lightning-quicktune.",
    ]


def _section(title: str, values: Any, otherwise: str) -> str:
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True).strip() if values else otherwise
    return f"## {title}\n\n```yaml\n{text}\n```" if values else f"## {title}\n\n{text}."


def _task(module: Finetuner) -> str:
    return "text-generation" if module.layout == "decoder" else "text2text-generation"


def _write(folder: Path, head: dict[str, Any], reference: BaseReference, lines: list[str]) -> None:
    if reference.on_hub:
        head = {**head, "base_model": reference.source}
    front = yaml.safe_dump(head, sort_keys=False).strip()
    body = "\n\n".join(line for line in lines if line)
    (folder / "README.md").write_text(f"---\n{front}\n---\n\n{body}\n", encoding="utf-8")
