"""Every architecture goes through the whole life of a trial, and gives its own logits."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
import transformers as hf
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint

from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.finetune.base_model import (
    PACKABLE,
    BaseModelSettings,
    load_base_model,
    load_config,
    load_tokenizer,
)
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner, Seq2SeqFinetuner
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.loss import next_token_loss, target_logits
from lightning_quicktune.finetune.scoring import ScoreSettings

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists"),
]

ASSETS = Path(__file__).parents[2] / "lightning_quicktune" / "assets"
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
GEMMA2 = {"head_dim": 16, "final_logit_softcapping": 2.0, "sliding_window": 8}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}
OPT = {
    "hidden_size": 32,
    "word_embed_proj_dim": 32,
    "ffn_dim": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 256,
}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
BUILDERS = {
    "phi3": lambda ids: hf.Phi3ForCausalLM(hf.Phi3Config(**SHAPE, **ids, sliding_window=8)),
    "llama": lambda ids: hf.LlamaForCausalLM(hf.LlamaConfig(**SHAPE, **ids)),
    "qwen2": lambda ids: hf.Qwen2ForCausalLM(hf.Qwen2Config(**SHAPE, **ids)),
    "gpt2": lambda ids: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2, **ids)),
    "gemma": lambda ids: hf.GemmaForCausalLM(hf.GemmaConfig(**SHAPE, **ids, head_dim=16)),
    "gemma2": lambda ids: hf.Gemma2ForCausalLM(hf.Gemma2Config(**SHAPE, **GEMMA2, **ids)),
    "opt": lambda ids: hf.OPTForCausalLM(hf.OPTConfig(**OPT, **ids)),
    "t5": lambda ids: hf.T5ForConditionalGeneration(
        hf.T5Config(**T5, **ids, decoder_start_token_id=ids["pad_token_id"])
    ),
}
DECODERS = [name for name in BUILDERS if name not in ("opt", "t5")]


class StopAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = trainer.current_epoch + 1 >= self.epochs


def build(name, folder):
    """Writes a random model and the shipped tokenizer; weights are large enough for logits to differ."""
    tokenizer = hf.AutoTokenizer.from_pretrained(ASSETS / "nano_phi3")
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    torch.manual_seed(0)
    model = BUILDERS[name]({"vocab_size": len(tokenizer), **ids})
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("architectures")
    return {name: build(name, root / name) for name in BUILDERS}


@pytest.fixture(scope="session")
def uneven_task(tmp_path_factory):
    """Records of so different lengths that several share a row when they are packed."""
    folder = tmp_path_factory.mktemp("tasks") / "uneven"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        rows = [{"question": f"{split} {n}?", "answer": "warm" + " and cold" * (12 * (n == 0) + n)} for n in range(8)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def task(colour_task):
    def make(name, path=colour_task, **arguments):
        template = "plain" if name in ("gpt2", "t5") else "chat"
        return TaskData(str(path), records_per_slice=8, template=template, **{"batch_size": 4, **arguments})

    return make


@pytest.fixture
def ready(models, task):
    """Data and untrained model of an architecture: ``(name, **arguments of TaskData)``."""

    def make(name, **arguments):
        data, settings = task(name, **arguments), BaseModelSettings(str(models[name]))
        data.attach_tokenizer(load_tokenizer(settings), layout="encoder_decoder" if name == "t5" else "decoder")
        data.setup("fit")
        return data, load_base_model(settings).model

    return make


@pytest.fixture
def fit(models, task):
    """Fits three slices, or fewer, from the start or from a checkpoint."""
    made = []

    def make(name, folder, stop=3, resume=None):
        seed_everything(1, verbose=False)
        module = (Seq2SeqFinetuner if name == "t5" else CausalLMFinetuner)(
            BaseModelSettings(str(models[name])),
            lora=LoraSettings(rank=4, dropout=0.1),
            optimizer=lambda p: torch.optim.AdamW(p, lr=1e-2),
            score=ScoreSettings(max_new_tokens=3),
        )
        made.append(module)
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=3,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=folder,
            callbacks=[ModelCheckpoint(folder, save_last=True, save_on_train_epoch_end=True), StopAfter(stop)],
        )
        trainer.fit(module, task(name), ckpt_path=resume, weights_only=True)
        return module, trainer, {k: v.clone() for k, v in module.state_dict().items()}

    yield make
    for module in made:
        module.release()


@pytest.mark.parametrize("name", BUILDERS)
def test_resumed_equals_uninterrupted_bit_for_bit_and_tests_and_predicts(fit, task, tmp_path, name):
    module, _, whole = fit(name, tmp_path / "whole")
    module.release()
    module, _, _ = fit(name, tmp_path / "parts", stop=1)
    module.release()
    module, trainer, resumed = fit(name, tmp_path / "parts", resume=tmp_path / "parts" / "last.ckpt")
    assert len(whole) == len(resumed) > 0
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert any(weight.abs().max() > 0 for key, weight in whole.items() if "lora_B" in key)
    (tested,) = trainer.test(module, task(name), verbose=False)
    assert 0 < tested["test/answer_likelihood"] < 1
    assert {"test/exact_match", "test/token_f1", "test/rouge_l"} <= tested.keys()
    answers = [answer for batch in trainer.predict(module, task(name)) for answer in batch]
    assert len(answers) == 7
    assert all(answer["reference"] for answer in answers)


def full_loss(model, batch):
    """The model's own loss, over its full logits."""
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    if model.config.is_encoder_decoder:
        return model(**inputs, labels=batch["labels"]).loss
    logits = model(**inputs, use_cache=False).logits
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), batch["labels"][:, 1:].flatten())


@pytest.mark.parametrize("name", BUILDERS)
def test_logits_only_where_a_target_is_give_the_models_own_loss_within_1e_6(ready, name):
    data, model = ready(name)
    batch = next(iter(data.evaluation_dataloader("train")))
    with torch.no_grad():
        targets = target_logits(model, batch)
        loss_sum, n_targets = next_token_loss(targets.logits, targets.labels)
        torch.testing.assert_close(loss_sum / n_targets, full_loss(model, batch), rtol=1e-6, atol=0)
    assert n_targets == (batch["labels"] != IGNORE_INDEX).sum()


def test_logits_of_a_soft_capped_model_stay_within_its_cap(ready):
    data, model = ready("gemma2")
    with torch.no_grad():
        targets = target_logits(model, next(iter(data.evaluation_dataloader("train"))))
    assert 1 < targets.logits.abs().max() <= 2


@pytest.fixture
def uneven_batch(ready, uneven_task):
    """A model and a training batch of 8 records of uneven lengths: ``(name, packing)``."""

    def make(name, packing):
        data, model = ready(name, path=uneven_task, batch_size=8, packing=packing)
        batch = next(iter(data.train_dataloader()))
        assert ("attention_mask" in batch) is not packing
        n_rows = len(batch["input_ids"])
        assert n_rows < 8 if packing else n_rows == 8
        return model, batch

    return make


@pytest.mark.parametrize("name", DECODERS)
def test_complaint_packing_leaks_packed_logits_equal_unpacked_within_1e_5(uneven_batch, name):
    found = []
    for packing in (False, True):
        model, batch = uneven_batch(name, packing)
        with torch.no_grad():
            logits = target_logits(model, batch).logits
        found.append(logits[logits[:, 0].argsort()])  # packing only changes the order of records
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-5)


def test_packing_gives_the_gradient_of_unpacked_batches_within_1e_5(uneven_batch):
    gradients = []
    for packing in (False, True):
        model, batch = uneven_batch("phi3", packing)
        embeddings = model.get_input_embeddings().weight.requires_grad_()
        targets = target_logits(model, batch)
        loss_sum, n_targets = next_token_loss(targets.logits, targets.labels)
        gradients += torch.autograd.grad(loss_sum / n_targets, embeddings)
        embeddings.requires_grad_(False)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-5)


def test_every_architecture_that_may_be_packed_is_compared_here(models):
    compared = {load_config(BaseModelSettings(str(models[name]))).model_type for name in DECODERS}
    assert compared == set(PACKABLE)


def setup_with(data, settings):
    """Sets data up as a trainer of a finetuner of these settings does."""
    module = CausalLMFinetuner(settings)
    data.trainer = SimpleNamespace(lightning_module=module, accumulate_grad_batches=1, world_size=1, global_rank=0)
    data.setup("fit")
    return data


def test_complaint_packing_leaks_an_architecture_that_sees_the_whole_row_is_refused(task, tmp_path):
    folder = build("opt", tmp_path)
    setup_with(task("opt"), BaseModelSettings(str(folder)))
    with pytest.raises(ValueError, match=r"isn't known to keep the records of a row apart.*packing: false`"):
        setup_with(task("opt", packing=True), BaseModelSettings(str(folder)))


def test_complaint_packing_leaks_flash_attention_is_refused(models, task):
    settings = BaseModelSettings(str(models["phi3"]))
    setup_with(task("phi3", packing=True), settings)
    with pytest.raises(ValueError, match=r"attention` is flash_attention_2, set that to `sdpa`"):
        setup_with(task("phi3", packing=True), replace(settings, attention="flash_attention_2"))


def test_records_longer_than_the_models_positions_are_refused_before_they_reach_it(models, task, tmp_path):
    shutil.copytree(models["gpt2"], tmp_path / "short")
    config = json.loads((tmp_path / "short" / "config.json").read_text())
    (tmp_path / "short" / "config.json").write_text(json.dumps(config | {"n_positions": 10}))
    with pytest.raises(
        ValueError, match=r"has \d+ tokens, .* has 10 positions.*`data\.init_args\.max_length` to 10 or"
    ):
        setup_with(task("gpt2"), BaseModelSettings(str(tmp_path / "short")))


@pytest.mark.parametrize(
    ("kind", "name", "right"),
    [(CausalLMFinetuner, "t5", "Seq2SeqFinetuner"), (Seq2SeqFinetuner, "phi3", "CausalLMFinetuner")],
)
def test_a_base_model_of_the_other_kind_is_refused(models, kind, name, right):
    with pytest.raises(ValueError, match=rf"Set `model.class_path: lightning_quicktune.finetune.finetuner.{right}`"):
        kind(BaseModelSettings(str(models[name]))).configure_model()
