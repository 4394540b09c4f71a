"""Two command lines for each subcommand, with which its help ends."""

from __future__ import annotations

_TASK = "--data.init_args.path tasks/mine"
_CONFIG = "lightning-quicktune {} --config configs/recipe/nano_lora.yaml {}"
_CHECKPOINT = "--ckpt_path best.ckpt"

EXAMPLES = {
    "tune": (
        "lightning-quicktune tune shop.jsonl --model smollm2 --time 10m",
        "lightning-quicktune tune --config configs/tune/suite_nano.yaml --slices 20",
    ),
    "recommend": (
        "lightning-quicktune recommend shop.jsonl --model smollm2",
        "lightning-quicktune recommend --config configs/recommend/suite_nano.yaml --k 3",
    ),
    "chat": (
        "lightning-quicktune chat runs/shop",
        'lightning-quicktune chat runs/shop --prompt "Where is my parcel?"',
    ),
    "fit": (
        _CONFIG.format("fit", _TASK),
        _CONFIG.format("fit", f"{_TASK} --trainer.max_epochs 3"),
    ),
    "validate": (
        _CONFIG.format("validate", f"{_TASK} {_CHECKPOINT}"),
        _CONFIG.format("validate", f"{_TASK} --model.init_args.score.name exact_match {_CHECKPOINT}"),
    ),
    "test": (
        _CONFIG.format("test", f"{_TASK} {_CHECKPOINT}"),
        _CONFIG.format("test", f"{_TASK} --data.init_args.batch_size 4 {_CHECKPOINT}"),
    ),
    "predict": (
        _CONFIG.format("predict", f"{_TASK} {_CHECKPOINT}"),
        'lightning-quicktune predict --config runs/shop/result/fit.yaml --prompt "Where is my parcel?"',
    ),
    "collect": (
        "lightning-quicktune collect --config configs/collect/suite_nano.yaml",
        "lightning-quicktune collect --config configs/collect/tasks_smollm2.yaml --tasks '[tasks/a, tasks/b]'",
    ),
    "import": (
        "lightning-quicktune import --config configs/import/lcdb_final.yaml",
        "lightning-quicktune import --table curves.csv --output runs/mine --licence MIT --origin 'my own runs'",
    ),
    "describe": (
        "lightning-quicktune describe --meta_dataset nano",
        "lightning-quicktune describe --meta_dataset runs/smollm2/meta_dataset --importance true",
    ),
    "evaluate": (
        "lightning-quicktune evaluate --config configs/evaluate/suite_nano.yaml",
        "lightning-quicktune evaluate --meta_dataset nano --output runs/compared --methods '[random, portfolio]'",
    ),
    "export": (
        "lightning-quicktune export --fit fit.yaml --checkpoint best.ckpt --output merged --merge true",
        "lightning-quicktune export --fit runs/shop/result/fit.yaml --output axolotl --as axolotl",
    ),
    "inspect": (
        "lightning-quicktune inspect shop.jsonl --model smollm2",
        "lightning-quicktune inspect --recipe configs/recipe/nano_lora.yaml --task shop.jsonl --where bad",
    ),
    "synthesize": (
        "lightning-quicktune synthesize --config configs/synthesize/local.yaml --documents papers",
        "lightning-quicktune synthesize --config configs/synthesize/remote.yaml --documents papers",
    ),
}


def examples_of(subcommand: str) -> tuple[str, ...]:
    """The examples of a subcommand, as they are typed.

    Args:
        subcommand: Its name.
    """
    return EXAMPLES.get(subcommand, ())
