"""Recipes carried to other trainers: the same numbers under their names, and what can't be said is told."""

import ast
import json

import pytest
import torch
import yaml

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import to_yaml, with_overrides
from lightning_quicktune.finetune.base_files import BaseReference
from lightning_quicktune.finetune.elsewhere.carried import Carried
from lightning_quicktune.finetune.elsewhere.yaml_trainers import CANNOT, write_yaml
from lightning_quicktune.finetune.optimizers import build_optimizer

M = "model.init_args"


@pytest.fixture
def carry(fit_config, tmp_path, capsys):
    """Writes the recipe with overrides for a trainer; gives the folder and what was printed."""

    def run(trainer, **changes):
        overrides = {key.replace("__", "."): value for key, value in changes.items()}
        short = {f"{M}.{k}" if not k.startswith(("trainer.", "data.")) else k: v for k, v in overrides.items()}
        (tmp_path / "fit.yaml").write_text(to_yaml(with_overrides(fit_config, short)))
        folder = tmp_path / trainer
        assert main(["export", "--fit", str(tmp_path / "fit.yaml"), "--as", trainer, "--output", str(folder)]) == 0
        return folder, capsys.readouterr().out

    return run


def constants(script):
    tree = ast.parse(script)
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    values = [(n.targets[0].id, n.value) for n in assigned if not isinstance(n.value, ast.BinOp | ast.Attribute)]
    return {name: ast.literal_eval(value) for name, value in values if name.isupper()}


def test_trl_gets_steps_warm_up_optimizer_and_records_in_the_order_of_training(carry, tiny_phi3):
    folder, said = carry("trl", lora__dropout=0.0, trainer__accumulate_grad_batches=2, lora_plus_ratio=4.0)
    told = constants((folder / "train.py").read_text())
    assert told["BASE_MODEL"] == str(tiny_phi3)
    assert told["OPTIMIZER"] == "torch.optim.adamw.AdamW"
    groups = [(group["kinds"], group["lr"], group.get("update_scale")) for group in told["GROUPS"]]
    assert groups == [(["lora_A"], 0.01, None), (["lora_B"], 0.01, 4.0)]
    wanted = {
        "max_steps": 8,  # 4 slices of 16 records in steps of 4 x 2
        "warmup_steps": 1,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "lr_scheduler_type": "linear",
        "max_grad_norm": 1.0,
        "bf16": False,
        "max_length": None,
    }
    assert {key: told["SETTINGS"][key] for key in wanted} == wanted
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    assert len(rows) == 64
    assert all(len(row["input_ids"]) == len(row["labels"]) for row in rows)
    assert all(label in (-100, token) for row in rows for token, label in zip(*row.values(), strict=True))
    assert (folder / "start" / "adapter_model.safetensors").is_file()
    assert "can't be told" not in said


def test_trl_is_told_what_it_does_otherwise(carry):
    folder, said = carry("trl", neftune_alpha=5.0, data__init_args__records_per_slice=15)
    script = (folder / "train.py").read_text()
    for note in ("neftune_alpha: the noise", "lora.dropout: the same share", "the last step of a slice has fewer"):
        assert note in said
        assert note in script


@pytest.mark.parametrize(("trainer", "key"), [("llamafactory", "optim"), ("axolotl", "optimizer")])
def test_yaml_trainers_get_the_same_numbers_and_the_rest_is_told(carry, trainer, key):
    folder, said = carry(
        trainer,
        lora={"rank": 4, "alpha_over_rank": 2.0, "variant": "rslora", "initialization": "orthogonal"},
        label_smoothing=0.1,
        lora_plus_ratio=2.0,
        schedule={"name": "constant"},
        trainer__accumulate_grad_batches=2,
    )
    text = (folder / f"{trainer}.yaml").read_text()
    told = yaml.safe_load(text)
    assert told[key] == "adamw_torch"
    assert told["lora_alpha"] == 8
    assert type(told["lora_alpha"]) is int
    assert told["max_steps"] == 8
    assert told["loraplus_lr_ratio"] == 2.0
    assert told.get("lr_scheduler_type", told.get("lr_scheduler")) == "constant_with_warmup"
    assert "label_smoothing_factor" not in told
    assert "label_smoothing: 0.1 is left out" in said
    assert "label_smoothing: 0.1 is left out" in text
    assert ("lora.initialization: orthogonal is unknown" in said) is (trainer == "llamafactory")
    assert len((folder / "train.jsonl").read_text().splitlines()) == 24


@pytest.mark.parametrize(("trainer", "key"), [("llamafactory", "optim"), ("axolotl", "optimizer")])
def test_an_optimizer_that_is_another_one_there_is_not_named(carry, trainer, key):
    optimizer = {"class_path": "torch.optim.Adafactor", "init_args": {"lr": 0.05}}
    folder, said = carry(trainer, optimizer=optimizer, lora={"rank": 5, "alpha_over_rank": 0.5})
    told = yaml.safe_load((folder / f"{trainer}.yaml").read_text())
    assert told[key] == "can_not_be_said"
    assert "nothing trains until you choose one" in said
    assert "alpha is 2.5 here, and whole there" in said


@pytest.mark.parametrize(("trainer", "file"), [("trl", "train.py"), ("axolotl", "axolotl.yaml")])
def test_a_folder_with_another_recipe_is_left_alone(carry, fit_config, tmp_path, capsys, trainer, file):
    folder, _ = carry(trainer)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = ["export", "--fit", str(tmp_path / "fit.yaml"), "--as", "llamafactory", "--output", str(folder)]
    assert main(again) == 2
    assert f"holds a recipe already ({', '.join(sorted([file, 'train.jsonl']))})" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_an_optimizer_of_this_package_goes_along_as_a_file_of_its_own(carry):
    optimizer = {"class_path": "lightning_quicktune.finetune.adafactor.Adafactor", "init_args": {"lr": 0.05}}
    folder, _ = carry("trl", optimizer=optimizer)
    assert constants((folder / "train.py").read_text())["OPTIMIZER"] == "adafactor.Adafactor"
    source = (folder / "adafactor.py").read_text()
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert not any((node.module or "").startswith("lightning_quicktune") for node in imported)


@pytest.mark.parametrize("trainer", ["llamafactory", "axolotl"])
def test_what_dora_decay_and_nesterov_are_there_is_told(carry, trainer):
    optimizer = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}
    sgd = {"class_path": "torch.optim.SGD", "init_args": optimizer}
    folder, said = carry(trainer, optimizer=sgd, lora={"rank": 4, "variant": "dora"}, lora_plus_ratio=2.0)
    for note in (
        "nesterov is True here",
        "it shrinks the magnitudes of DoRA there",
        "magnitudes of DoRA get the rate of the B matrices there",
    ):
        assert note in said
        assert note in (folder / f"{trainer}.yaml").read_text()
    assert yaml.safe_load((folder / f"{trainer}.yaml").read_text())["optim_args"] == "momentum=0.9"


def test_weights_of_experts_are_named_where_they_can_be(tmp_path):
    lora = {"rank": 4, "alpha": 8.0, "dropout": 0.0, "variant": "lora", "initialization": "default"}
    carried = Carried(
        base=BaseReference("owner/name", None, True),
        dtype="bfloat16",
        mixed=None,
        lora={**lora, "targets": [], "parameters": ["experts.gate_up_proj"]},
        optimizer="torch.optim.adamw.AdamW",
        groups=[{"kinds": ["lora_A", "lora_B"], "lr": 0.1, "betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.0}],
        schedule="linear",
        n_steps=4,
        warmup_steps=0,
        batch_size=2,
        accumulate=1,
        clip=1.0,
        label_smoothing=0.0,
        neftune_alpha=0.0,
        gradient_checkpointing=False,
        seed=0,
        rows=[{"input_ids": [1, 2], "labels": [-100, 2]}],
        whole_steps=True,
    )
    notes = {trainer: write_yaml(trainer, carried, tmp_path) for trainer in ("axolotl", "llamafactory")}
    told = {trainer: yaml.safe_load((tmp_path / f"{trainer}.yaml").read_text()) for trainer in notes}
    assert told["axolotl"]["lora_target_parameters"] == ["experts.gate_up_proj"]
    assert told["llamafactory"]["lora_target"] == CANNOT
    assert "no adapter is put on experts.gate_up_proj there" in str(notes["llamafactory"])
    assert "the frozen weights are bfloat16 here, and float32 there" in str(notes["axolotl"])
    assert "the frozen weights are bfloat16 here, and bfloat16 or float16 on a GPU" in str(notes["llamafactory"])


@pytest.mark.parametrize("trainer", ["llamafactory", "axolotl"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16"])
def test_mixed_precision_rounds_the_frozen_weights_there(carry, trainer, precision):
    folder, said = carry(trainer, trainer__precision=precision)
    assert yaml.safe_load((folder / f"{trainer}.yaml").read_text())["bf16"] is True
    assert "the frozen weights are float32 here, and bfloat16 there" in said


def test_another_template_goes_along_or_is_told(carry, tmp_path):
    text = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    text += "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    (tmp_path / "own.jinja").write_text(text)
    folder, _ = carry("axolotl", data__init_args__chat_template=str(tmp_path / "own.jinja"))
    told = yaml.safe_load((folder / "axolotl.yaml").read_text())
    assert (told["chat_template"], told["chat_template_jinja"]) == ("jinja", text)
    _, said = carry("llamafactory", data__init_args__template="plain")
    assert "data.template: plain here" in said


@pytest.mark.parametrize("trainer", ["trl", "llamafactory"])
def test_callbacks_that_may_change_the_training_are_told(carry, trainer):
    stop = {"class_path": "EarlyStopping", "init_args": {"monitor": "score"}}
    _, said = carry(trainer, trainer__callbacks=[{"class_path": "ModelCheckpoint"}, stop])
    assert "trainer.callbacks: EarlyStopping isn't carried over" in said


@pytest.mark.parametrize("trainer", ["trl", "axolotl"])
@pytest.mark.parametrize(("accelerator", "known"), [("auto", False), ("gpu", False), ("cpu", True)])
def test_as_many_devices_as_there_are_is_unknown_but_on_a_cpu(carry, trainer, accelerator, known):
    folder, said = carry(trainer, trainer__devices="auto", trainer__accelerator=accelerator)
    note = "trainer.devices: auto here, so how many is unknown"
    assert (note in said) is not known
    (file,) = folder.glob("axolotl.yaml" if trainer == "axolotl" else "train.py")
    assert (note in file.read_text()) is not known
    assert "CUDA_VISIBLE_DEVICES=0" in file.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "There is nothing to export: `checkpoint` is not set"),
        (["--as", "trl", "--merge", "true"], "which carries a recipe to another trainer"),
    ],
)
def test_an_export_of_nothing_or_of_both_is_refused(fit_config, tmp_path, capsys, words, said):
    (tmp_path / "fit.yaml").write_text(to_yaml(fit_config))
    assert main(["export", "--fit", str(tmp_path / "fit.yaml"), "--output", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainer.devices": 2}, "`trainer.devices` is 2, and how records are dealt"),
        ({"trainer.num_nodes": 2}, "`trainer.num_nodes` is 2, and how records are dealt"),
        ({"trainer.max_epochs": -1}, "`trainer.max_epochs` is -1, but other trainers are told a number of steps"),
        ({"trainer.max_steps": 3}, "`trainer.max_steps` is 3, which can't be carried over"),
        ({"trainer.limit_train_batches": 1}, "`trainer.limit_train_batches` is 1, which can't"),
        ({"trainer.gradient_clip_algorithm": "value"}, "`trainer.gradient_clip_algorithm` is 'value', which can't"),
        ({"trainer.precision": "bf16-true"}, "`trainer.precision` is bf16-true, which would change the shared base"),
        (
            {
                "model.class_path": "lightning_quicktune.finetune.finetuner.Seq2SeqFinetuner",
                "model.init_args.base_model.name": "nano_t5",
                "data.init_args.template": "plain",
            },
            "whose encoder-decoder no trainer of `--as` takes",
        ),
    ],
)
def test_what_no_other_trainer_could_do_is_refused(fit_config, tmp_path, capsys, changes, said):
    (tmp_path / "fit.yaml").write_text(to_yaml(with_overrides(fit_config, changes)))
    words = ["--as", "trl", "--output", str(tmp_path / "out")]
    assert main(["export", "--fit", str(tmp_path / "fit.yaml"), *words]) == 2
    assert said in capsys.readouterr().err


def test_the_script_for_trl_moves_b_matrices_as_far_as_here(carry):
    folder, _ = carry("trl", lora_plus_ratio=4.0)
    tree = ast.parse((folder / "train.py").read_text())
    hooks = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name != "main"]
    script = {"torch": torch}
    exec(compile(ast.Module(hooks, []), "train.py", "exec"), script)

    class Pair(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lora_A, self.lora_B = (torch.nn.Parameter(torch.ones(2, 3)) for _ in range(2))

    def moved(model, optimizer):
        for _ in range(3):
            for weight in model.parameters():
                weight.grad = weight.detach() ** 2
            optimizer.step()
        return list(model.parameters())

    here, there = Pair(), Pair()
    groups = [{"params": [there.lora_A]}, {"params": [there.lora_B], "update_scale": 4.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    optimizer.register_step_pre_hook(script["remember"])
    optimizer.register_step_post_hook(script["go_further"])
    ours = moved(here, build_optimizer(here, lambda weights: torch.optim.AdamW(weights, lr=0.1), 4.0))
    assert all(torch.equal(one, other) for one, other in zip(ours, moved(there, optimizer), strict=True))
    assert (1 - here.lora_B).abs().min() > 2 * (1 - here.lora_A).abs().max()
    assert "before" not in optimizer.param_groups[1]
