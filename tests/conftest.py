import json
import logging
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest

ASSETS = Path(__file__).parents[1] / "lightning_quicktune" / "assets"

QUIETED = (  # loggers that commands and scripts quiet, perhaps before the package that they belong to is loaded
    "huggingface_hub.utils._http",
    "lightning.fabric",
    "lightning.pytorch",
    "lightning.pytorch.utilities.rank_zero",
    "lightning_quicktune",
)

ANSWERS = {"red": "warm", "orange": "warm", "blue": "cold", "green": "cold", "grey": "neither"}


@pytest.fixture(autouse=True)
def levels_of_loggers():
    """A script that is run in a test and quiets a logger quiets none of the tests after it."""
    for name in QUIETED:
        logging.getLogger(name)
    known = [logging.root, *(each for each in logging.root.manager.loggerDict.values() if hasattr(each, "level"))]
    before = [(logger, logger.level) for logger in known]
    yield
    for logger, level in before:
        if logger.level != level:
            logger.setLevel(level)


@pytest.fixture
def two_threads():
    """PyTorch has two threads, and after the test as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_phi3(tmp_path_factory) -> Path:
    """A random Phi-3 of 50,000 weights with the shipped tokenizer: a step takes milliseconds."""
    import torch
    from transformers import AutoTokenizer, Phi3Config, Phi3ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(ASSETS / "nano_phi3")
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny-phi3"
    Phi3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def colour_task(tmp_path_factory) -> Path:
    """A task of 24 / 8 / 7 records whose answer follows from one word of the question."""
    return colours(tmp_path_factory.mktemp("tasks") / "colours")


@pytest.fixture(scope="session")
def write_colours():
    """Writes such a task with another number of training records: ``(folder, n_train) -> folder``."""
    return colours


def colours(folder: Path, n_train: int = 24) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    things = [f"thing {n}" for n in range(n_train + 15)]
    records = [
        {"question": f"What is a {colour} {thing} like?", "answer": ANSWERS[colour]}
        for thing, colour in zip(things, sorted(ANSWERS) * 20, strict=False)
    ]
    parts = {"train": records[:n_train], "validation": records[n_train : n_train + 8], "test": records[n_train + 8 :]}
    for split, rows in parts.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="session")
def filled_database(tmp_path_factory) -> Path:
    """An MLflow database without runs: filling one takes seconds, copying it none."""
    from lightning_quicktune.tracking.connection import connect
    from lightning_quicktune.tracking.places import sqlite_uri

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    connect(sqlite_uri(path), "first")
    return path


@pytest.fixture
def fit_config(tiny_phi3, colour_task) -> dict:
    """A fit YAML of the tiny Phi-3 on the colours, as a dictionary."""
    return {
        "seed_everything": 3,
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": 4,
            "accumulate_grad_batches": 1,
            "gradient_clip_val": 1.0,
            "use_distributed_sampler": False,
            "num_sanity_val_steps": 0,
        },
        "model": {
            "class_path": "lightning_quicktune.finetune.finetuner.CausalLMFinetuner",
            "init_args": {
                "base_model": {"name": str(tiny_phi3)},
                "lora": {"rank": 4, "dropout": 0.1},
                "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
                "schedule": {"name": "linear", "warmup_fraction": 0.1},
                "score": {"max_new_tokens": 4},
            },
        },
        "data": {
            "class_path": "lightning_quicktune.data.datamodule.TaskData",
            "init_args": {"path": str(colour_task), "batch_size": 4, "records_per_slice": 16},
        },
    }


@pytest.fixture
def small_space():
    """A search space of the tiny trials."""
    from lightning_quicktune.space.search_space import SearchSpace

    return SearchSpace.from_dict(SMALL_SPACE)


SMALL_SPACE = {
    "lr": {
        "key": "model.init_args.optimizer.init_args.lr",
        "domain": {"type": "float", "bounds": [1.0e-4, 1.0e-1], "log": True, "default": 1.0e-2},
    },
    "lora_rank": {
        "key": "model.init_args.lora.rank",
        "domain": {"type": "categorical", "choices": [2, 4], "ordered": True, "default": 4},
    },
    "schedule": {
        "key": "model.init_args.schedule.name",
        "domain": {"type": "categorical", "choices": ["linear", "constant"], "default": "linear"},
    },
}


@pytest.fixture
def setup(fit_config, colour_task, tmp_path):
    """The colours as a task that is ready for trials."""
    from lightning_quicktune.trials.task_setup import set_up_task

    return set_up_task(str(colour_task), fit_config, 4, tmp_path / "task")


@pytest.fixture
def make_plan(setup, small_space, tmp_path):
    """Builds plans; each folder name is a trial of its own."""
    from lightning_quicktune.trials.plan import TrialPlan
    from lightning_quicktune.types import Configuration

    def make(folder: str, lr: float = 0.01, test_each_slice: bool = False, space=small_space, **values) -> TrialPlan:
        configuration = Configuration({"lr": lr, "lora_rank": 4, "schedule": "linear", **values})
        return TrialPlan(setup.info, setup.fit, space, configuration, 7, tmp_path / folder, test_each_slice)

    return make
