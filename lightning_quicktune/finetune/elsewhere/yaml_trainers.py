"""A fit as the YAML of LLaMA-Factory and of Axolotl, with a list of what can't be said there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lightning_quicktune.finetune.elsewhere.carried import Carried

CANNOT = "can_not_be_said"  # no name of anything there: a training that would be another one doesn't start
_OPTIMIZERS = {"torch.optim.adamw.AdamW": "adamw_torch", "torch.optim.sgd.SGD": "sgd"}
_MIXED: Mapping[str | None, str] = {"bf16": "bfloat16", "fp16": "float16"}  # both cast the frozen weights to it
_FURTHER_SETTINGS = {"amsgrad": False, "dampening": 0, "maximize": False, "nesterov": False}
_ALWAYS = (
    "data: records are cut there instead of refused, and other tokens may be targets (end-of-turn token, line breaks). "
    "Compare the tokens and labels that it prints with those of `inspect`",
    "order of records and random draws: other ones",
    "devices: steps are counted for one; where there are more, set `CUDA_VISIBLE_DEVICES=0`",
)


def write_yaml(trainer: str, carried: Carried, folder: Path, about_records: Sequence[str] = ()) -> list[str]:
    """Writes ``llamafactory.yaml``, for LLaMA-Factory 0.9.5, or ``axolotl.yaml``, for Axolotl 0.19.

    Args:
        trainer: ``llamafactory`` or ``axolotl``.
        carried: The fit.
        folder: Where to write.
        about_records: What of the records can't be said there.

    Returns:
        What can't be said there.
    """
    notes = [*_ALWAYS, *about_records, *carried.done_otherwise(), *_done_otherwise(carried)]
    settings = _WRITERS[trainer](carried, notes)
    told = "".join(f"#   - {note}\n" for note in notes)
    body = yaml.safe_dump({k: v for k, v in settings.items() if v is not None}, sort_keys=False, allow_unicode=True)
    text = f"# Settings of {trainer}. What can't be said here, or is done otherwise:\n{told}{body}"
    (folder / f"{trainer}.yaml").write_text(text, encoding="utf-8")
    return notes


def _llamafactory(carried: Carried, notes: list[str]) -> dict[str, Any]:
    lora = carried.lora
    named, start = _named_alike(carried, notes), lora["initialization"]
    settings = {
        "model_name_or_path": carried.base.source,
        "model_revision": carried.base.revision,
        "stage": "sft",
        "dataset": "train",
        "dataset_dir": ".",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": lora["rank"],
        "lora_target": ",".join(lora["targets"]) or CANNOT,
        "use_rslora": lora["variant"] == "rslora",
        "use_dora": lora["variant"] == "dora",
        "optim": named.pop("optimizer"),
        "lr_scheduler_type": carried.scheduler,
        "per_device_train_batch_size": carried.batch_size,
        "cutoff_len": carried.longest + 1,
        "packing": False,
        **named,
    }
    if start.startswith("pissa"):
        settings |= {"pissa_init": True, "pissa_iter": 16 if start == "pissa_niter_16" else -1}
    elif start != "default":
        notes.append(f"lora.initialization: {start} is unknown there; A starts by Kaiming's draw and B at 0")
    if lora["parameters"]:
        notes.append(f"lora.targets: no adapter is put on {', '.join(lora['parameters'])} there, the experts' weights")
    if carried.label_smoothing and carried.accumulate == 1:
        settings["label_smoothing_factor"] = carried.label_smoothing
    elif carried.label_smoothing:
        notes.append(
            f"label_smoothing: {carried.label_smoothing} is left out; the gradient would be multiplied by the "
            "accumulation"
        )
    notes.append("template: set `template` to its name for your base model; its texts are its own")
    there = _MIXED.get(carried.mixed, "bfloat16 or float16 on a GPU, float32 on a CPU alone")
    if there != carried.dtype:
        notes.append(f"base_model.dtype: the frozen weights are {carried.dtype} here, and {there} there")
    return settings


def _axolotl(carried: Carried, notes: list[str]) -> dict[str, Any]:
    lora = carried.lora
    settings = {
        "base_model": carried.base.source,
        "revision_of_model": carried.base.revision,
        "datasets": [{"path": "train.jsonl", "type": "chat_template", "field_messages": "messages"}],
        "chat_template": "tokenizer_default",
        "adapter": "lora",
        "lora_r": lora["rank"],
        "lora_target_modules": list(lora["targets"]),
        "lora_target_parameters": list(lora["parameters"]) or None,
        "peft_use_rslora": lora["variant"] == "rslora",
        "peft_use_dora": lora["variant"] == "dora",
        "peft_init_lora_weights": None if lora["initialization"] == "default" else lora["initialization"],
        "lr_scheduler": carried.scheduler,
        "micro_batch_size": carried.batch_size,
        "sequence_len": carried.longest + 1,
        "sample_packing": False,
        "train_on_inputs": False,
        **_named_alike(carried, notes),
    }
    if carried.ratio != 1 and carried.groups[0].get("weight_decay"):
        notes.append("weight_decay: LoRA+ there takes none")
    if carried.warmup_steps == 1:
        notes.append("schedule.warmup_fraction: one step of warm-up becomes two there")
    if carried.label_smoothing:
        notes.append(f"label_smoothing: {carried.label_smoothing} is left out, there is no such key")
    if carried.chat_template is not None:
        settings |= {"chat_template": "jinja", "chat_template_jinja": carried.chat_template}
    if carried.dtype != (there := _MIXED.get(carried.mixed, "float32")):
        notes.append(f"base_model.dtype: the frozen weights are {carried.dtype} here, and {there} there")
    notes.append("end of turn: without `eot_tokens` it learns none of Phi-3's `<|end|>`; add your template's")
    return settings


def _named_alike(carried: Carried, notes: list[str]) -> dict[str, Any]:
    """Settings that have the same name in both; ``optimizer`` is one of them, and ``optim`` in LLaMA-Factory."""
    alpha = float(carried.lora["alpha"])
    if alpha != round(alpha):
        notes.append(f"lora.alpha_over_rank: alpha is {alpha:g} here, and whole there")
    return {
        "lora_alpha": max(1, round(alpha)),
        "lora_dropout": carried.lora["dropout"],
        **_optimizer(carried, notes),
        **carried.named_by_transformers(),
        "neftune_noise_alpha": carried.neftune_alpha or None,
        "loraplus_lr_ratio": carried.ratio if carried.ratio != 1 else None,
    }


def _optimizer(carried: Carried, notes: list[str]) -> dict[str, Any]:
    group = carried.groups[0]
    name = _OPTIMIZERS.get(carried.optimizer)
    if name is None:
        notes.append(
            f"optimizer: {carried.optimizer} is unknown there (`adafactor` is another algorithm: its first steps are "
            "10 to 1,000 times as long), so `optimizer` names none and nothing trains until you choose one and its rate"
        )
        return {"optimizer": CANNOT}
    for key, usual in _FURTHER_SETTINGS.items():
        if group.get(key, usual) != usual:
            notes.append(f"optimizer: {key} is {group[key]} here, and can't be set there")
    settings = {"optimizer": name, "weight_decay": group["weight_decay"]}
    if name == "sgd":
        return {**settings, "optim_args": f"momentum={group['momentum']}"}
    beta1, beta2 = group["betas"]
    return {**settings, "adam_beta1": beta1, "adam_beta2": beta2, "adam_epsilon": group["eps"]}


def _done_otherwise(carried: Carried) -> list[str]:
    notes = []
    if carried.template == "plain":
        notes.append("data.template: plain here (question, line break, answer), and a chat template there")
    if carried.lora["variant"] == "dora" and carried.ratio != 1:
        notes.append("lora_plus_ratio: magnitudes of DoRA get the rate of the B matrices there")
    if carried.lora["variant"] == "dora" and carried.groups[0].get("weight_decay"):
        notes.append("weight_decay: it shrinks the magnitudes of DoRA there, and with them the base model's weights")
    return notes


_WRITERS: Mapping[str, Callable[[Carried, list[str]], dict[str, Any]]] = {
    "llamafactory": _llamafactory,
    "axolotl": _axolotl,
}


def dataset_info() -> str:
    """What LLaMA-Factory asks of the folder of ``train.jsonl``."""
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    records = {"file_name": "train.jsonl", "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    return json.dumps({"train": records}, indent=1) + "\n"
