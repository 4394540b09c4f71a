import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim import SGD, AdamW

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.resuming import (
    check_base_model,
    check_same_fit,
    check_slice_end,
    check_weights,
    fit_state,
    read_checkpoint,
)
from lightning_quicktune.finetune.schedule import ScheduleSettings

without_workers = pytest.mark.filterwarnings("ignore:.*does not have many workers")
TRAINER = {"max_epochs": 4, "gradient_clip_val": 1.0}
MODULE = {
    "lora": LoraSettings(rank=4, targets=["qkv_proj"]),
    "optimizer": partial(AdamW, lr=0.01),
    "schedule": ScheduleSettings("linear"),
    "label_smoothing": 0.1,
    "neftune_alpha": 5.0,
    "lora_plus_ratio": 2.0,
}


@pytest.fixture
def state(make_module):
    def of(module=(), trainer=()):
        quiet = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        return fit_state(make_module(**{**MODULE, **dict(module)}), Trainer(**quiet, **{**TRAINER, **dict(trainer)}))

    return of


def test_the_state_of_a_fit_is_plain_and_survives_a_checkpoint(state, tmp_path):
    first = state()
    assert json.loads(json.dumps(first)) == first
    torch.save({"state_dict": {}, "fit": first}, tmp_path / "some.ckpt")
    check_same_fit(read_checkpoint(tmp_path / "some.ckpt")["fit"], state())


@pytest.mark.parametrize(
    ("module", "trainer", "message"),
    [
        (
            {"optimizer": partial(AdamW, lr=0.02)},
            {},
            r"`model.init_args.optimizer.init_args.lr` was 0.01 and is now 0.02\.",
        ),
        ({"optimizer": partial(AdamW, lr=0.01, weight_decay=0.5)}, {}, r"weight_decay` was 0.01 and is now 0.5"),
        ({"optimizer": partial(SGD, lr=0.01)}, {}, r"`.*optimizer.class_path` was '.*AdamW' and is now '.*SGD'\. The"),
        (
            {"schedule": ScheduleSettings("cosine")},
            {},
            r"`model.init_args.schedule.name` was 'linear' and is now 'cosine'",
        ),
        ({"schedule": ScheduleSettings("linear", 0.1)}, {}, r"schedule.warmup_fraction` was 0.0 and is now 0.1"),
        ({"lora": replace(MODULE["lora"], dropout=0.1)}, {}, r"`model.init_args.lora.dropout` was 0.0 and is now 0.1"),
        ({"lora": replace(MODULE["lora"], alpha_over_rank=1.0)}, {}, r"lora.alpha_over_rank` was 2.0 and is now 1.0"),
        ({"label_smoothing": 0.0}, {}, r"`model.init_args.label_smoothing` was 0.1 and is now 0.0"),
        ({"neftune_alpha": 0.0}, {}, r"`model.init_args.neftune_alpha` was 5.0 and is now 0.0"),
        ({"lora_plus_ratio": 1.0}, {}, r"`model.init_args.lora_plus_ratio` was 2.0 and is now 1.0"),
        ({}, {"max_epochs": 5}, r"`trainer.max_epochs` was 4 and is now 5"),
        ({}, {"gradient_clip_val": 0.5}, r"`trainer.gradient_clip_val` was 1.0 and is now 0.5"),
        ({}, {"gradient_clip_algorithm": "value"}, r"`trainer.gradient_clip_algorithm` was 'norm' and is now 'value'"),
        ({}, {"precision": "bf16-mixed"}, r"`trainer.precision` was '32-true' and is now 'bf16-mixed'"),
        ({}, {"limit_train_batches": 0.5}, r"`trainer.limit_train_batches` was 1.0 and is now 0.5"),
    ],
)
def test_another_setting_lists_its_key_and_both_values(state, module, trainer, message):
    with pytest.raises(ValueError, match=rf"other settings: [^;]*{message}[^;]*start afresh without `--ckpt_path`"):
        check_same_fit(state(), state(module, trainer))


def test_all_settings_that_differ_are_listed(state):
    with pytest.raises(
        ValueError, match=r"label_smoothing` was 0.1 and is now 0.0; .*`trainer.max_epochs` was 4 and is"
    ):
        check_same_fit(state(), state({"label_smoothing": 0.0}, {"max_epochs": 5}))


def test_the_present_value_need_not_be_written_the_same_way(state):
    check_same_fit(state(trainer={"gradient_clip_val": None}), state(trainer={"gradient_clip_val": 0.0}))
    check_same_fit(state(), state(trainer={"gradient_clip_algorithm": "norm"}))


def test_a_training_at_a_constant_rate_may_be_made_longer(state):
    constant = {"schedule": ScheduleSettings("constant")}
    check_same_fit(state(constant), state(constant, {"max_epochs": 9}))


def test_a_checkpoint_without_settings_is_refused(state):
    with pytest.raises(ValueError, match=r"doesn't say with which settings .* without `--ckpt_path`"):
        check_same_fit(None, state())


def test_a_foreign_base_model_is_refused(base):
    check_base_model({"name": "renamed", "weight_hash": base.info.weight_hash}, base)
    with pytest.raises(ValueError, match=r"base model `other` \(weights 12\), but `tiny-phi3` .*base_model.name`"):
        check_base_model({"name": "other", "weight_hash": "12"}, base)
    with pytest.raises(ValueError, match=r"base model `unknown`"):
        check_base_model(None, base)


@pytest.mark.parametrize("saved", [{"a": (2, 3)}, {"a": (2, 3), "b": (5,)}, {"a": (2, 3), "c": (4,)}])
def test_weights_of_another_name_or_shape_are_refused(saved):
    own = {"a": (2, 3), "b": (4,)}
    check_weights(own, dict(own))
    with pytest.raises(
        ValueError, match=r"[12] of [23] weights differ, the first is b .*Use the `model.init_args.lora`"
    ):
        check_weights(own, saved)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, content):
    path = tmp_path / "some.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"`--ckpt_path` is .*some.ckpt, which can't be read as a checkpoint: "):
        read_checkpoint(path)


def test_a_checkpoint_that_was_cut_off_is_refused(tmp_path):
    path = tmp_path / "some.ckpt"
    torch.save({"state_dict": {"a": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"can't be read as a checkpoint: .*Give an earlier checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], {"state_dict": 3}])
def test_a_file_that_is_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "some.ckpt")
    with pytest.raises(ValueError, match=r"`checkpoint` is .*, which holds no `state_dict`"):
        read_checkpoint(tmp_path / "some.ckpt", "checkpoint")


def test_a_missing_checkpoint_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`--ckpt_path` is .*none.ckpt, and there is no such file"):
        read_checkpoint(tmp_path / "none.ckpt")


class StopAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = trainer.current_epoch + 1 >= self.epochs


@pytest.fixture
def fit(make_module, colour_task, tmp_path):
    """Fits for some of two slices, from a checkpoint or the start, and writes ``<name>.ckpt``."""

    def fitted(name, slices=2, checkpoint=None, callbacks=(), **module):
        seed_everything(3, verbose=False)
        trainer = Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            max_epochs=2,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            callbacks=[StopAfter(slices), *callbacks],
        )
        finetuner = make_module(optimizer=partial(AdamW, lr=0.01), **module)
        data = TaskData(str(colour_task), batch_size=8, records_per_slice=16)
        try:
            trainer.fit(finetuner, data, ckpt_path=checkpoint, weights_only=True)
            trainer.save_checkpoint(tmp_path / f"{name}.ckpt")
        finally:
            finetuner.release()
        return tmp_path / f"{name}.ckpt"

    return fitted


@without_workers
@pytest.mark.parametrize("initialization", ["pissa", "pissa_niter_16", "olora"])
def test_an_adapter_that_alters_the_base_resumes_to_the_same_bits(fit, initialization):
    options = {
        "lora": LoraSettings(rank=4, dropout=0.1, initialization=initialization),
        "neftune_alpha": 5.0,
        "lora_plus_ratio": 4.0,
    }
    whole = read_checkpoint(fit("whole", **options))["state_dict"]
    resumed = read_checkpoint(fit("resumed", 2, fit("paused", 1, **options), **options))["state_dict"]
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


@without_workers
def test_complaint_6_a_fit_resumed_with_another_rate_is_refused_before_it_trains(fit):
    paused = fit("paused", 1)
    with pytest.raises(ValueError, match=r"`model.init_args.lora_plus_ratio` was 1.0 and is now 2.0"):
        fit("resumed", 2, paused, lora_plus_ratio=2.0)
    assert not paused.with_name("resumed.ckpt").exists()


@without_workers
def test_complaint_6_a_checkpoint_is_adapter_and_optimizer_not_the_base_model(fit, base):
    content = read_checkpoint(fit("some", 1))
    assert content["state_dict"]
    assert all("lora_" in name for name in content["state_dict"])
    saved = {tuple(weight.shape) for weight in content["state_dict"].values()}
    assert tuple(base.model.get_input_embeddings().weight.shape) not in saved


@without_workers
@pytest.mark.parametrize("step", [1, 3])
def test_a_fit_does_not_go_on_from_the_middle_of_a_slice(fit, tmp_path, step):
    often = ModelCheckpoint(tmp_path / "often", "{step}", every_n_train_steps=1, save_top_k=-1)
    fit("whole", callbacks=[often])
    message = r"at micro-batch 1 of 2 of a slice\. .*end of a slice as `--ckpt_path`, .*`every_n_train_steps`"
    with pytest.raises(ValueError, match=message):
        fit("resumed", checkpoint=tmp_path / "often" / f"step={step}.ckpt")


@without_workers
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists")
def test_a_fit_goes_on_from_the_checkpoint_that_a_callback_wrote_at_the_end_of_a_slice(fit, tmp_path):
    ends = ModelCheckpoint(tmp_path / "ends", "{step}", save_top_k=-1)
    whole = read_checkpoint(fit("whole", callbacks=[ends]))["state_dict"]
    resumed = read_checkpoint(fit("resumed", 2, tmp_path / "ends" / "step=2.ckpt", [ends]))["state_dict"]
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


def test_a_checkpoint_that_does_not_say_how_long_its_slices_are_is_refused():
    progress = {"current": {"ready": 2, "completed": 2}}
    with pytest.raises(ValueError, match=r"at micro-batch 2 of unknown"):
        check_slice_end({"loops": {"fit_loop": {"epoch_loop.batch_progress": progress}}})
    check_slice_end({})
