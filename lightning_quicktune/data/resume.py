"""The state of the data that must be as it was when training goes on from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYS: Mapping[str, str] = {
    "step_records": "`data.init_args.batch_size` x `trainer.accumulate_grad_batches` x `trainer.devices`",
    "order_seed": "`seed_everything`",
    "records_per_slice": "`data.init_args.records_per_slice`",
    "template": "`data.init_args.template`",
    "max_length": "`data.init_args.max_length`",
    "content_digest": (
        "the records of `data.init_args.path`, as `data.init_args.reading` reads them, or the tokens that tokenizer "
        "and chat template make of them (their digest)"
    ),
}


def check_same(saved: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    """Compares the data settings of a checkpoint with those of now.

    Args:
        saved: Value of each of the ``KEYS`` that the checkpoint knows.
        present: Value of each now.

    Raises:
        ValueError: If one differs; the message names all that do.
    """
    differing = [
        f"{named} was {saved[key]} and is now {present[key]}"
        for key, named in KEYS.items()
        if key in saved and saved[key] != present[key]
    ]
    if differing:
        raise ValueError(
            f"Training can't go on from this checkpoint with other data: {'; '.join(differing)}. The learning curve "
            "would be neither that of the old settings nor that of the new ones. Set them back, or start anew "
            "without `--ckpt_path`."
        )
