"""A fit as the YAML of LLaMA-Factory and of Axolotl, with a list of what can't be said there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lightning_quicktune.finetune.elsewhere.carried import Carried

CANNOT = "can_not_be_said"  # no name of an optimizer there: a training that would be another one doesn't start
_OPTIMIZERS = {"torch.optim.adamw.AdamW": "adamw_torch", "torch.optim.sgd.SGD": "sgd"}
_ALWAYS = (
    "data: records are cut there instead of refused, and other tokens may be targets (end-of-turn token, line breaks). "
    "Compare the tokens and labels that it prints with those of `inspect`",
    "order of records and random draws: other ones",
)


def write_llamafactory(carried: Carried, folder: Path) -> list[str]:
    """Writes ``llamafactory.yaml``, for LLaMA-Factory 0.9.5.

    Args:
        carried: The fit.
        folder: Where to write.

    Returns:
        What can't be said there.
    """
    lora, notes = carried.lora, [*_ALWAYS, *_notes(carried)]
    settings = {
        "model_name_or_path": carried.base.source,
        "model_revision": carried.base.revision,
        "stage": "sft",
        "dataset": "train",
        "dataset_dir": ".",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": lora["rank"],
        "lora_alpha": _whole_alpha(carried, notes),
        "lora_dropout": lora["dropout"],
        "lora_target": ",".join(lora["targets"]),
        "use_rslora": lora["variant"] == "rslora",
        "use_dora": lora["variant"] == "dora",
        **_optimizer(carried, notes),
        "lr_scheduler_type": _schedule(carried),
        "warmup_steps": carried.warmup_steps,
        "max_steps": carried.n_steps,
        "per_device_train_batch_size": carried.batch_size,
        "gradient_accumulation_steps": carried.accumulate,
        "max_grad_norm": carried.clip,
        "cutoff_len": carried.longest + 1,
        "packing": False,
        "bf16": carried.mixed == "bf16",
        "fp16": carried.mixed == "fp16",
        "seed": carried.seed,
    }
    start = lora["initialization"]
    if start.startswith("pissa"):
        settings |= {"pissa_init": True, "pissa_iter": 16 if start == "pissa_niter_16" else -1}
    elif start != "default":
        notes.append(f"lora.initialization: {start} is unknown there; A starts by Kaiming's draw and B at 0")
    if carried.ratio != 1:
        settings["loraplus_lr_ratio"] = carried.ratio
    if carried.label_smoothing and carried.accumulate == 1:
        settings["label_smoothing_factor"] = carried.label_smoothing
    elif carried.label_smoothing:
        notes.append(
            f"label_smoothing: {carried.label_smoothing} is left out; the gradient would be multiplied by the "
            "accumulation"
        )
    if carried.neftune_alpha:
        settings["neftune_noise_alpha"] = carried.neftune_alpha
    notes.append("template: set `template` to its name for your base model; its texts are its own")
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    records = {"file_name": "train.jsonl", "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    (folder / "dataset_info.json").write_text(json.dumps({"train": records}, indent=1) + "\n", encoding="utf-8")
    return _write(folder / "llamafactory.yaml", "LLaMA-Factory", settings, notes)


def write_axolotl(carried: Carried, folder: Path) -> list[str]:
    """Writes ``axolotl.yaml``, for Axolotl 0.19.

    Args:
        carried: The fit.
        folder: Where to write.

    Returns:
        What can't be said there.
    """
    lora, notes = carried.lora, [*_ALWAYS, *_notes(carried)]
    settings = {
        "base_model": carried.base.source,
        "revision_of_model": carried.base.revision,
        "datasets": [{"path": "train.jsonl", "type": "chat_template", "field_messages": "messages"}],
        "chat_template": "tokenizer_default",
        "adapter": "lora",
        "lora_r": lora["rank"],
        "lora_alpha": _whole_alpha(carried, notes),
        "lora_dropout": lora["dropout"],
        "lora_target_modules": list(lora["targets"]),
        "peft_use_rslora": lora["variant"] == "rslora",
        "peft_use_dora": lora["variant"] == "dora",
        **_optimizer(carried, notes),
        "lr_scheduler": _schedule(carried),
        "warmup_steps": carried.warmup_steps,
        "max_steps": carried.n_steps,
        "micro_batch_size": carried.batch_size,
        "gradient_accumulation_steps": carried.accumulate,
        "max_grad_norm": carried.clip,
        "sequence_len": carried.longest + 1,
        "sample_packing": False,
        "train_on_inputs": False,
        "bf16": carried.mixed == "bf16",
        "fp16": carried.mixed == "fp16",
        "seed": carried.seed,
    }
    if lora["initialization"] != "default":
        settings["peft_init_lora_weights"] = lora["initialization"]
    if carried.ratio != 1:
        settings["loraplus_lr_ratio"] = carried.ratio
        if carried.groups[0].get("weight_decay"):
            notes.append("weight_decay: LoRA+ there takes none")
    if carried.warmup_steps == 1:
        notes.append("schedule.warmup_fraction: one step of warm-up becomes two there")
    if carried.label_smoothing:
        notes.append(f"label_smoothing: {carried.label_smoothing} is left out, there is no such key")
    if carried.neftune_alpha:
        settings["neftune_noise_alpha"] = carried.neftune_alpha
    notes.append("end of turn: without `eot_tokens` it learns none of Phi-3's `<|end|>`; add your template's")
    return _write(folder / "axolotl.yaml", "Axolotl", settings, notes)


def _notes(carried: Carried) -> list[str]:
    notes = []
    if carried.neftune_alpha:
        notes.append("neftune_alpha: the noise is scaled by the padded length of a batch, here by each record's own")
    if carried.ratio != 1 and carried.lora["variant"] == "dora":
        notes.append("lora_plus_ratio: magnitudes of DoRA get the rate of the B matrices there")
    if not carried.whole_steps:
        notes.append("the last step of a slice has fewer records here; there, steps go on into the next slice")
    return notes


def _whole_alpha(carried: Carried, notes: list[str]) -> int:
    alpha = float(carried.lora["alpha"])
    if alpha != round(alpha):
        notes.append(f"lora.alpha_over_rank: alpha is {alpha:g} here, and whole there")
    return max(1, round(alpha))


def _optimizer(carried: Carried, notes: list[str]) -> dict[str, Any]:
    group = carried.groups[0]
    name = _OPTIMIZERS.get(carried.optimizer, CANNOT)
    if name == CANNOT:
        notes.append(
            f"optimizer: {carried.optimizer} is unknown there (`adafactor` is another algorithm: its first steps are "
            "10 to 1,000 times as long), so `optimizer` names none and nothing trains until you choose one and its rate"
        )
        return {"optim": name, "learning_rate": group["lr"]}
    settings = {"optim": name, "learning_rate": group["lr"], "weight_decay": group["weight_decay"]}
    if name == "sgd":
        return {**settings, "optim_args": f"momentum={group['momentum']}"}
    beta1, beta2 = group["betas"]
    return {**settings, "adam_beta1": beta1, "adam_beta2": beta2, "adam_epsilon": group["eps"]}


def _schedule(carried: Carried) -> str:
    """``constant`` drops the warm-up there without a word."""
    return "constant_with_warmup" if carried.schedule == "constant" else carried.schedule


def _write(path: Path, trainer: str, settings: Mapping[str, Any], notes: list[str]) -> list[str]:
    if trainer == "Axolotl":
        settings = {("optimizer" if key == "optim" else key): value for key, value in settings.items()}
    head = f"# Settings of {trainer}. What can't be said here, or is done otherwise:\n"
    told = "".join(f"#   - {note}\n" for note in notes)
    body = yaml.safe_dump({k: v for k, v in settings.items() if v is not None}, sort_keys=False, allow_unicode=True)
    path.write_text(f"{head}{told}{body}", encoding="utf-8")
    return notes


WRITERS: Mapping[str, Callable[[Carried, Path], list[str]]] = {
    "llamafactory": write_llamafactory,
    "axolotl": write_axolotl,
}
