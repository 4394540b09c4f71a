"""The checks of a checkpoint before its weights are used, or its training goes on."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import nn

from lightning_quicktune.finetune.base_model import BaseModel

Shapes = Mapping[str, tuple[int, ...]]
_OPTIMIZER = "model.init_args.optimizer"


def read_checkpoint(path: str | Path, key: str = "--ckpt_path") -> dict[str, Any]:
    """Reads a Lightning checkpoint without running code that it may hold.

    Args:
        path: The ``.ckpt`` file.
        key: What the user typed to name it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or something else.
        OSError: If it can't be read now, which says nothing of what it holds.
        MemoryError: Likewise.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"`{key}` is {path}, and there is no such file. Give the path of a `.ckpt` that `fit` wrote, or leave it "
            "out to start afresh."
        )
    raw = Path(path).read_bytes()  # what fails here says nothing of the file; from memory on, everything does
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            damaged = archive.testzip()  # torch.load itself compares no checksums
        if damaged:
            raise ValueError(f"the checksum of {damaged} is wrong.")
        content = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"`{key}` is {path}, which can't be read as a checkpoint: {reason} It is damaged or something else. Give "
            "an earlier checkpoint, or leave it out to start afresh."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), Mapping):
        raise ValueError(
            f"`{key}` is {path}, which holds no `state_dict`, so it isn't a checkpoint of Lightning. Give the path of "
            "a `.ckpt` that `fit` wrote; an exported adapter can't be trained further."
        )
    return content


def fit_state(module: Any, trainer: Trainer) -> dict[str, Any]:
    """All settings, by their YAML key, that change what training goes on to do; values as JSON gives them back.

    The length of the training is None where the schedule doesn't depend on it: such a training may be made longer. What
    the data module adds is in its own state.

    Args:
        module: The finetuner.
        trainer: The trainer that fits it.
    """
    state: dict[str, Any] = {"model.init_args.base_model": f"weights {module.loaded.info.weight_hash}"}
    for name in ("lora", "schedule"):
        state |= {f"model.init_args.{name}.{k}": _plain(v) for k, v in asdict(getattr(module, name)).items()}
    for name in ("label_smoothing", "neftune_alpha", "lora_plus_ratio"):
        state[f"model.init_args.{name}"] = getattr(module, name)
    has_end = module.schedule.name != "constant" or module.schedule.warmup_fraction > 0
    return state | _optimizer_state(module) | _trainer_state(trainer, has_end)


def check_same_fit(saved: Mapping[str, Any] | None, present: Mapping[str, Any]) -> None:
    """Refuses to go on with other settings, some of which Lightning would silently take from the checkpoint.

    Args:
        saved: The ``fit_state`` of the checkpoint, or None if it has none.
        present: That of now.

    Raises:
        ValueError: If a setting differs; the message lists each with both values.
    """
    if saved is None:
        raise ValueError(
            "The checkpoint doesn't say with which settings it was trained, so nobody can tell whether training would "
            "go on as it began. Give one that this version of `fit` wrote, or start afresh without `--ckpt_path`."
        )
    differing = [key for key in sorted(saved.keys() | present.keys()) if saved.get(key) != present.get(key)]
    if f"{_OPTIMIZER}.class_path" in differing:
        differing = [key for key in differing if not key.startswith(f"{_OPTIMIZER}.init_args.")]
    if differing:
        changes = "; ".join(f"`{key}` was {saved.get(key)!r} and is now {present.get(key)!r}" for key in differing)
        raise ValueError(
            f"Training can't go on from this checkpoint with other settings: {changes}. The learning curve would be "
            "neither that of the old settings nor that of the new ones. Set them back, or start afresh without "
            "`--ckpt_path`."
        )


def check_slice_end(checkpoint: Mapping[str, Any]) -> None:
    """Refuses to go on in the middle of a slice, whose order of records can't be taken up again.

    Args:
        checkpoint: A whole checkpoint, with ``loops`` from Lightning and ``slice_batches`` from the finetuner.

    Raises:
        ValueError: If it was written between the first and the last micro-batch of a slice, or before the slice's end
            was dealt with.
    """
    if "loops" not in checkpoint:
        return
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    n_batches = checkpoint.get("slice_batches", "unknown")
    if progress["ready"] != progress["completed"] or progress["completed"] not in (0, n_batches):
        raise ValueError(
            f"The checkpoint was written at micro-batch {progress['ready']} of {n_batches} of a slice. Training goes "
            "on from the end of a slice alone: in its middle it would train other records than an uninterrupted one. "
            "Give a checkpoint from the end of a slice as `--ckpt_path`, which ModelCheckpoint writes without "
            "`every_n_train_steps` and `trainer.val_check_interval`, or start afresh without `--ckpt_path`."
        )


def check_base_model(saved: Mapping[str, str] | None, loaded: BaseModel) -> None:
    """Refuses a checkpoint of other frozen weights.

    Args:
        saved: ``name`` and ``weight_hash`` of the checkpoint's base model, or None if it doesn't say.
        loaded: The base model of now.

    Raises:
        ValueError: If the hashes differ.
    """
    theirs = saved or {"name": "unknown", "weight_hash": "unknown"}
    if theirs["weight_hash"] != loaded.info.weight_hash:
        raise ValueError(
            f"The checkpoint belongs to the base model `{theirs['name']}` (weights {theirs['weight_hash']}), but "
            f"`{loaded.name}` (weights {loaded.info.weight_hash}) is loaded. Set "
            "`model.init_args.base_model.name` to the checkpoint's, or start without `--ckpt_path`."
        )


def check_weights(own: Shapes, saved: Shapes) -> None:
    """Refuses an adapter of other shapes or names; Lightning would skip what it doesn't know.

    Args:
        own: Shape of each trainable weight.
        saved: Shape of each weight of the checkpoint.

    Raises:
        ValueError: If a weight differs.
    """
    names = own.keys() | saved.keys()
    differing = sorted(name for name in names if own.get(name) != saved.get(name))
    if differing:
        first = differing[0]
        raise ValueError(
            f"The checkpoint's adapter has another shape: {len(differing)} of {len(names)} weights differ, the first "
            f"is {first} ({saved.get(first)} saved, {own.get(first)} configured). Use the `model.init_args.lora` that "
            "the checkpoint was trained with."
        )


def _optimizer_state(module: Any) -> dict[str, Any]:
    """Class and arguments of the optimizer, seen on one that trains nothing: on resume the real one isn't built yet."""
    optimizer = module.optimizer_factory([nn.Parameter(torch.zeros(1))])
    kind = type(optimizer)
    state = {f"{_OPTIMIZER}.init_args.{name}": _plain(value) for name, value in optimizer.defaults.items()}
    return {f"{_OPTIMIZER}.class_path": f"{kind.__module__}.{kind.__qualname__}", **state}


def _trainer_state(trainer: Trainer, has_end: bool) -> dict[str, Any]:
    clip = trainer.gradient_clip_val or None
    how = getattr(trainer.gradient_clip_algorithm, "value", trainer.gradient_clip_algorithm) or "norm"
    return {
        "trainer.max_epochs": trainer.max_epochs if has_end else None,
        "trainer.max_steps": trainer.max_steps if has_end else None,
        "trainer.limit_train_batches": trainer.limit_train_batches,
        "trainer.gradient_clip_val": clip,
        "trainer.gradient_clip_algorithm": str(how) if clip else None,
        "trainer.precision": str(trainer.precision),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (bool, int, float, str)) or value is None else repr(value)
