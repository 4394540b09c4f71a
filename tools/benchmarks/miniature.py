"""The miniature trial that the benchmarks time: a random Phi-3 of two small layers on a built-in task."""

from __future__ import annotations

from pathlib import Path

from lightning_quicktune.compose import read_yaml, with_overrides
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import TaskSetup, set_up_task

ROOT = Path(__file__).parents[2]
TASK = "suite:suite-towns-mixed"


def save_miniature(folder: Path) -> Path:
    """Writes a random Phi-3 of 0.2 million weights with the shipped tokenizer: a step takes milliseconds."""
    import torch
    from transformers import AutoTokenizer, Phi3Config, Phi3ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "lightning_quicktune" / "assets" / "nano_phi3")
    torch.manual_seed(0)
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    Phi3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def set_up(base_model: str, slices: int, records: int, folder: Path) -> TaskSetup:
    """The benchmark's task, with ``slices`` slices of ``records`` records as a full training."""
    recipe = with_overrides(
        read_yaml(ROOT / "configs" / "recipe" / "nano_lora.yaml"),
        {
            "model.init_args.base_model.name": base_model,
            "data.init_args.records_per_slice": records,
            "data.init_args.batch_size": 16,
            "data.init_args.evaluation": {"max_eval_records": 64},
        },
    )
    return set_up_task(TASK, recipe, slices, folder / "task")


def make_plan(setup: TaskSetup, folder: Path) -> TrialPlan:
    """A trial of the default configuration in a folder of its own."""
    space = SearchSpace.from_dict(
        {
            "lr": {
                "key": "model.init_args.optimizer.init_args.lr",
                "domain": {"type": "float", "bounds": [1.0e-4, 1.0e-1], "log": True, "default": 2.0e-3},
            }
        }
    )
    return TrialPlan(setup.info, setup.fit, space, space.default, 0, folder)
