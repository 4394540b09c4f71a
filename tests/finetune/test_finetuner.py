from typing import ClassVar

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from lightning_quicktune.finetune.base_model import BaseModelSettings
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.scoring import ScoreSettings


def gradients(make_module, colour_task, batch_size, accumulate):
    from lightning_quicktune.data.datamodule import TaskData

    class Watch(torch.optim.SGD):
        seen: ClassVar[list] = []

        def step(self, closure=None):
            loss = super().step(closure)
            type(self).seen = [p.grad.clone() for group in self.param_groups for p in group["params"]]
            return loss

    seed_everything(1, verbose=False)
    module = make_module(lora=LoraSettings(rank=4), optimizer=lambda p: Watch(p, lr=1e-3))
    data = TaskData(str(colour_task), batch_size=batch_size, records_per_slice=8)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        accumulate_grad_batches=accumulate,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    trainer.fit(module, data)
    module.release()
    return Watch.seen


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 2), (2, 4), (1, 8), (3, 3)])
def test_complaint_token_mean_micro_batches_give_the_gradient_of_the_whole_step_within_1e_5(
    make_module, colour_task, batch_size, accumulate
):
    whole = gradients(make_module, colour_task, 8, 1)
    parts = gradients(make_module, colour_task, batch_size, accumulate)
    assert len(whole) == len(parts) > 0
    for ours, theirs in zip(whole, parts, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    assert any(g.abs().max() > 1e-4 for g in whole)


def test_fit_says_how_much_is_adapted_and_trained(make_module, monkeypatch):
    said = []
    monkeypatch.setattr("lightning_quicktune.finetune.finetuner.rank_zero_info", said.append)
    module = make_module(lora=LoraSettings(rank=2, targets="attention"))
    sizes = {name: weight.numel() for name, weight in module.loaded.model.named_parameters()}
    adapted = sum(n for name, n in sizes.items() if name.endswith(("qkv_proj.weight", "o_proj.weight")))
    module.configure_model()
    trained = sum(w.numel() for name, w in module.named_parameters() if "lora_" in name)
    module.on_fit_start()
    every = sum(sizes.values())
    assert f"is on {adapted / every:.1%} of the weights" in said[0]
    assert f"{trained / (every + trained):.2%} of all weights are trained" in said[0]


class Seen:
    """Stands in for a trainer in one training or validation step."""

    loggers, accumulate_grad_batches, world_size, precision = (), 1, 1, "32-true"


def losses(make_module, data, monkeypatch, **arguments):
    """Training loss of one micro-batch, and validation loss of another, with the same seed and weights."""
    seed_everything(1, verbose=False)
    module = make_module(**arguments)
    module.configure_model()
    monkeypatch.setattr(type(module), "trainer", Seen())
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.05)
    seed_everything(2, verbose=False)
    batch = next(iter(data.train_dataloader()))
    trained = module.training_step(batch, 0).item()
    module.on_validation_epoch_start()
    module.model.eval()
    module.validation_step(batch, 0)
    module.model.train()
    module.release()
    monkeypatch.undo()
    return trained, module._sums[0]


@pytest.mark.parametrize(
    "arguments", [{"label_smoothing": 0.2}, {"neftune_alpha": 5.0}, {"lora": LoraSettings(dropout=0.5)}], ids=str
)
def test_smoothing_noise_and_dropout_change_the_training_loss_and_never_that_of_validation(
    make_module, data, monkeypatch, arguments
):
    plain, plain_validation = losses(make_module, data, monkeypatch)
    trained, validation = losses(make_module, data, monkeypatch, **arguments)
    assert abs(trained - plain) > 1e-4
    assert validation == plain_validation


def test_a_step_whose_targets_are_all_masked_is_an_error(make_module, data, monkeypatch):
    """The complaint that everything is masked and the loss still looks fine."""
    module = make_module()
    module.configure_model()
    monkeypatch.setattr(type(module), "trainer", Seen())
    batch = next(iter(data.train_dataloader()))
    batch |= {"labels": torch.full_like(batch["labels"], -100), "step_targets": torch.tensor(0)}
    with pytest.raises(ValueError, match=r"All targets of step 0 are masked"):
        module.training_step(batch, 0)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"neftune_alpha": -1.0}, "neftune_alpha"),
        ({"lora_plus_ratio": 0.0}, "lora_plus_ratio"),
    ],
)
def test_options_out_of_range_name_their_key(make_module, arguments, key):
    with pytest.raises(ValueError, match=rf"`model.init_args.{key}` is .* Set `model.init_args.{key}` to such a value"):
        make_module(**arguments)


def test_too_little_room_for_answers_that_the_score_needs_is_found_before_training(make_module, data, monkeypatch):
    module = make_module(score=ScoreSettings("exact_match", max_new_tokens=256))
    trainer = type("Set", (), {"datamodule": data})()
    monkeypatch.setattr(type(module), "trainer", trainer)
    with pytest.raises(ValueError, match=r"an answer of up to 256 needs .* positions, but the base model has 256"):
        module.on_fit_start()


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_a_precision_that_would_cast_the_shared_base_is_refused_before_it_does(make_module, monkeypatch, precision):
    module = make_module()
    module._trainer = type("Precise", (), {"precision": precision})()
    with pytest.raises(ValueError, match=rf"`trainer.precision` is {precision}"):
        module.configure_model()


@pytest.mark.parametrize("name", ["tiny", "nano"])
def test_checkpoints_hold_the_adapter_alone_also_with_tied_embeddings(make_module, name):
    module = make_module(lora=LoraSettings(rank=4))
    module.base_model = module.base_model if name == "tiny" else BaseModelSettings("nano")
    module.configure_model()
    state = module.state_dict()
    assert state
    assert all("lora_" in name for name in state)


def test_a_checkpoint_of_another_base_model_is_refused(make_module):
    module = make_module()
    module.configure_model()
    checkpoint = {"state_dict": module.state_dict(), "base_model": {"name": "other", "weight_hash": "0" * 16}}
    with pytest.raises(ValueError, match=r"belongs to the base model `other` .* Set `model.init_args.base_model.name`"):
        module.on_load_checkpoint(checkpoint)


def test_a_checkpoint_of_another_rank_is_refused(make_module):
    small, large = make_module(lora=LoraSettings(rank=2)), make_module(lora=LoraSettings(rank=4))
    small.configure_model()
    checkpoint: dict = {"state_dict": {k: v.clone() for k, v in small.state_dict().items()}}
    small.on_save_checkpoint(checkpoint)
    small.release()
    large.configure_model()
    with pytest.raises(ValueError, match=r"adapter has another shape: .* Use the `model.init_args.lora`"):
        large.on_load_checkpoint(checkpoint)


def test_the_adapter_depends_on_the_seed_alone(make_module):
    states = []
    for seed in (1, 1, 2):
        seed_everything(seed, verbose=False)
        module = make_module()
        module.configure_model()
        states.append({k: v.clone() for k, v in module.state_dict().items()})
        module.release()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])
