"""The parts of a fit, whichever trainer is to run it: counted, resolved, and without names of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lightning_quicktune.finetune.base_files import BaseReference, base_reference
from lightning_quicktune.finetune.base_model import check_precision
from lightning_quicktune.finetune.elsewhere.trainable import check_whole, is_one_device, precision_of, steering
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.optimizers import UPDATE_SCALE, build_optimizer

_KINDS = ("lora_A", "lora_B", "lora_magnitude_vector")


@dataclass(frozen=True)
class Carried:
    """One fit, for another trainer.

    Args:
        base: Where the base model is.
        dtype: Number format of the frozen weights.
        mixed: ``bf16`` or ``fp16`` if computed in it, else none.
        lora: Rank, alpha, dropout, targets, targets that are weights of experts, variant and initialization.
        optimizer: Class path of the optimizer.
        groups: Its groups of weights: which kinds of adapter weights each has, and all settings.
        schedule: ``linear``, ``cosine`` or ``constant``.
        n_steps: Optimizer steps of the whole training.
        warmup_steps: Steps in which the rate rises.
        batch_size: Records of a micro-batch.
        accumulate: Micro-batches of a step.
        clip: Largest norm of the gradient; 0 for no limit.
        label_smoothing: Probability spread over the vocabulary.
        neftune_alpha: Size of the noise on embeddings.
        gradient_checkpointing: Whether activations are computed twice.
        seed: Seed of everything.
        rows: Token ids and labels of each record, in the order of training, all slices one after the other.
        whole_steps: Whether each slice is a whole number of steps.
        template: ``chat`` or ``plain``.
        chat_template: Text of a chat template in the place of the tokenizer's own, if any.
        callbacks: Names of the trainer's callbacks that may change the training.
        one_device: Whether it is known to be trained on one device.
    """

    base: BaseReference
    dtype: str
    mixed: str | None
    lora: Mapping[str, Any]
    optimizer: str
    groups: Sequence[Mapping[str, Any]]
    schedule: str
    n_steps: int
    warmup_steps: int
    batch_size: int
    accumulate: int
    clip: float
    label_smoothing: float
    neftune_alpha: float
    gradient_checkpointing: bool
    seed: int
    rows: Sequence[Mapping[str, list[int]]]
    whole_steps: bool
    template: str = "chat"
    chat_template: str | None = None
    callbacks: Sequence[str] = ()
    one_device: bool = True

    @property
    def longest(self) -> int:
        """Tokens of the longest record."""
        return max(len(row["input_ids"]) for row in self.rows)

    @property
    def ratio(self) -> float:
        """How far the B matrices move over how far they would at the rate of the A matrices."""
        return float(next((group[UPDATE_SCALE] for group in self.groups if UPDATE_SCALE in group), 1.0))

    @property
    def scheduler(self) -> str:
        """The schedule by its name in Transformers, whose ``constant`` drops the warm-up without a word."""
        return "constant_with_warmup" if self.schedule == "constant" else self.schedule

    def named_by_transformers(self) -> dict[str, Any]:
        """Settings that all trainers built on that of Transformers take by its names."""
        return {
            "learning_rate": self.groups[0]["lr"],
            "warmup_steps": self.warmup_steps,
            "max_steps": self.n_steps,
            "gradient_accumulation_steps": self.accumulate,
            "max_grad_norm": self.clip,
            "bf16": self.mixed == "bf16",
            "fp16": self.mixed == "fp16",
            "seed": self.seed,
        }

    def done_otherwise(self) -> list[str]:
        """What all trainers built on that of Transformers do otherwise."""
        notes = []
        if self.neftune_alpha:
            notes.append(
                "neftune_alpha: the noise is scaled by the padded length of a batch, here by each record's own"
            )
        if not self.whole_steps:
            notes.append("the last step of a slice has fewer records here; there, steps go on into the next slice")
        if self.callbacks:
            notes.append(f"trainer.callbacks: {', '.join(self.callbacks)} isn't carried over, whatever it changes here")
        if not self.one_device:
            notes.append(
                "trainer.devices: auto here, so how many is unknown, and steps are counted for one; that trainer takes "
                "what it finds, with a batch on each: start it with `CUDA_VISIBLE_DEVICES=0`"
            )
        return notes


def carry(module: Finetuner, trainer: Mapping[str, Any], data: Any, seed: int) -> Carried:
    """Counts and resolves a fit; puts the adapter on the base model.

    Args:
        module: The finetuner.
        trainer: Arguments of the Trainer.
        data: The data module, read and tokenized.
        seed: Seed of everything.

    Raises:
        ValueError: If it is an encoder-decoder, trained on several devices, or cut short by the trainer.
    """
    if module.layout != "decoder":
        raise ValueError(
            f"`model.class_path` is {type(module).__name__}, whose encoder-decoder no trainer of `--as` takes. Leave "
            "`--as` out and run `fit`."
        )
    check_whole(trainer)
    precision = precision_of(trainer)
    check_precision(precision)
    module.configure_model()
    tokens = data.tokens("train")
    per_slice = data.records_per_slice or len(tokens)
    accumulate, n_slices = int(trainer.get("accumulate_grad_batches") or 1), int(trainer["max_epochs"])
    step = data.batch_size * accumulate
    n_steps = n_slices * -(-per_slice // step)
    sampler = data.train_dataloader().batch_sampler
    order = [index for number in range(n_slices) for index in sampler.slice_records(number)]
    optimizer = build_optimizer(module, module.optimizer_factory, module.lora_plus_ratio)
    kind = type(optimizer)
    lora, config = module.lora, module.model.peft_config["default"]
    return Carried(
        base=base_reference(module.base_model),
        dtype=module.base_model.dtype,
        mixed={"bf16-mixed": "bf16", "16-mixed": "fp16"}.get(precision),
        lora={
            "rank": lora.rank,
            "alpha": lora.alpha_over_rank * lora.rank,
            "dropout": lora.dropout,
            "targets": sorted(config.target_modules),
            "parameters": sorted(config.target_parameters or ()),
            "variant": lora.variant,
            "initialization": lora.initialization,
        },
        optimizer=f"{kind.__module__}.{kind.__qualname__}",
        groups=[_group(module, group) for group in optimizer.param_groups],
        schedule=module.schedule.name,
        n_steps=n_steps,
        warmup_steps=round(module.schedule.warmup_fraction * n_steps),
        batch_size=data.batch_size,
        accumulate=accumulate,
        clip=float(trainer.get("gradient_clip_val") or 0.0),
        label_smoothing=module.label_smoothing,
        neftune_alpha=module.neftune_alpha,
        gradient_checkpointing=module.base_model.gradient_checkpointing,
        seed=seed,
        rows=[_row(tokens[index]) for index in order],
        whole_steps=per_slice % step == 0,
        template=data.token_settings.template,
        chat_template=data.chat_template,
        callbacks=steering(trainer),
        one_device=is_one_device(trainer),
    )


def _group(module: Finetuner, group: Mapping[str, Any]) -> dict[str, Any]:
    """The kinds of weights that a group of the optimizer has, and its settings."""
    own = {id(weight) for weight in group["params"]}
    kinds = {kind for name, w in module.named_parameters() if id(w) in own for kind in _KINDS if kind in name}
    settings = {key: _plain(value) for key, value in group.items() if key not in ("params", "initial_lr")}
    return {"kinds": sorted(kinds), **settings}


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _row(record: Any) -> dict[str, list[int]]:
    labels = [int(t) if learned else -100 for t, learned in zip(record.input_ids, record.target_mask, strict=True)]
    return {"input_ids": [int(token) for token in record.input_ids], "labels": labels}
