"""Measures what a cohort keeps for its backward pass: bytes of each token of each member, and seconds of a pass.

    python tools/benchmarks/cohort_memory.py [--layers 2] [--members 3]

The model has the shapes of SmolLM2-135M's layers with random weights, and all its linear modules are adapted. Tensors
are counted once however often they are kept; weights are not counted. With ``--pad`` what is printed holds for a GPU,
where members are padded to the highest rank and masks are computed again, except where attention is computed otherwise.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.cohort import bank as cohort_bank
from lightning_quicktune.finetune.cohort import dropped
from lightning_quicktune.finetune.cohort.bank import AdapterBank, BankRow
from lightning_quicktune.finetune.lora import LoraSettings, adapted_modules
from lightning_quicktune.finetune.noise import RecordNoise

RECORDS, TOKENS, REPEATS = 8, 60, 5
SHAPES = {"hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9, "num_key_value_heads": 3}


def base_model(layers: int) -> BaseModel:
    """The model, with a small vocabulary: logits are those of targets alone, and no part of this."""
    torch.manual_seed(0)
    return BaseModel(LlamaForCausalLM(LlamaConfig(num_hidden_layers=layers, vocab_size=256, **SHAPES)), "llama")


def measured(base: BaseModel, settings: LoraSettings, members: int) -> tuple[int, float]:
    """Bytes that a pass keeps, and the median of its seconds, forward and backward."""
    device = torch.device("cpu")
    rows = [BankRow(settings, adapted_modules(base, settings, False)) for _ in range(members)]
    bank = AdapterBank(base.model, rows, device)
    ids = torch.randint(256, (members * RECORDS, TOKENS))
    frozen = {p.untyped_storage().data_ptr() for p in base.model.parameters()}
    frozen |= {weights.untyped_storage().data_ptr() for weights in bank.weights}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in frozen:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    def step() -> None:
        bank.noise = RecordNoise(torch.arange(len(ids), dtype=torch.int32))
        with bank.on_model():
            model: Any = base.model
            model.model(input_ids=ids).last_hidden_state.square().mean().backward()

    base.model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    alive.clear()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return sum(kept.values()), statistics.median(seconds)


def main() -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--pad", action="store_true", help="take members together as on a GPU")
    arguments = parser.parse_args()
    if arguments.pad:
        cohort_bank.goes_by_rank = lambda device: False
        dropped.is_scarce = lambda x: True
    base = base_model(arguments.layers)
    print("| adapter | rank | dropout | KiB a token, layer and member | seconds of a pass |\n|---|---|---|---|---|")
    for variant in ("lora", "dora"):
        for rank, dropout in ((16, 0.0), (16, 0.1), (64, 0.1)):
            settings = LoraSettings(rank=rank, dropout=dropout, variant=variant)
            n_bytes, seconds = measured(base, settings, arguments.members)
            each = n_bytes / (arguments.members * RECORDS * TOKENS * arguments.layers * 1024)
            print(f"| {variant} | {rank} | {dropout} | {each:.1f} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
