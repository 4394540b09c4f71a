import json
import shutil

import pytest
import torch
from peft import AutoPeftModelForCausalLM, AutoPeftModelForSeq2SeqLM, PeftModel
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

from lightning_quicktune.finetune.base_files import BaseReference, base_reference
from lightning_quicktune.finetune.base_model import BaseModelSettings, load_base_model
from lightning_quicktune.finetune.export import export_adapter, export_merged, load_adapter
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner, Seq2SeqFinetuner
from lightning_quicktune.finetune.lora import LoraSettings
from lightning_quicktune.finetune.provenance import provenance

GPT2 = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
SLICE = {"fidelity": 3, "score": 0.625}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}


@pytest.fixture
def train(make_module):
    """An adapter with weights as if trained."""

    def trained(module=None, **lora):
        module = module or make_module(lora=LoraSettings(rank=4, **lora))
        module.configure_model()
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.05 * torch.randn_like(parameter))
        module.model.eval()
        return module

    return trained


@pytest.fixture
def other_model(tiny_phi3, tmp_path):
    """Finetuners of other tiny random models with the tokenizer of the tiny Phi-3."""
    tokenizer, made = AutoTokenizer.from_pretrained(tiny_phi3), []

    def build(kind, **lora):
        ids = {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        if kind == "gpt2":
            model, finetuner = GPT2LMHeadModel(GPT2Config(**GPT2, **ids, bos_token_id=1)), CausalLMFinetuner
        else:
            config = T5Config(**T5, **ids, decoder_start_token_id=tokenizer.pad_token_id)
            model, finetuner = T5ForConditionalGeneration(config), Seq2SeqFinetuner
        model.save_pretrained(tmp_path / kind)
        tokenizer.save_pretrained(tmp_path / kind)
        made.append(finetuner(BaseModelSettings(str(tmp_path / kind)), lora=LoraSettings(rank=4, **lora)))
        return made[-1]

    yield build
    for module in made:
        module.release()


def logits(model):
    tokens = torch.arange(12)[None]
    answers = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=tokens, **answers).logits


def test_the_adapter_folder_loads_in_peft_with_the_same_logits_to_1e_6(train, tmp_path):
    module = train()
    export_adapter(module, tmp_path / "adapter")
    again = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    torch.testing.assert_close(logits(again), logits(module.model), rtol=1e-6, atol=1e-6)
    assert AutoTokenizer.from_pretrained(tmp_path / "adapter").chat_template == module.tokenizer.chat_template


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
@pytest.mark.parametrize("initialization", ["pissa", "pissa_niter_16", "olora"])
def test_an_adapter_that_altered_the_base_goes_on_the_original_with_the_same_logits_to_1e_4(
    train, tmp_path, initialization, variant
):
    module = train(initialization=initialization, variant=variant)
    export_adapter(module, tmp_path / "adapter")
    again = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    assert again.peft_config["default"].r == 8
    torch.testing.assert_close(logits(again), logits(module.model), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "lora",
    [{}, {"variant": "dora"}, {"initialization": "pissa"}, {"initialization": "olora", "variant": "rslora"}],
    ids=["lora", "dora", "pissa", "olora"],
)
def test_complaint_7_the_merged_model_equals_base_plus_adapter_to_1e_4(train, tmp_path, lora):
    module = train(**lora)
    expected = logits(module.model)
    export_merged(module, tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(merged), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits(module.model), expected)


def test_what_a_base_model_says_of_generation_stays(train, tmp_path, monkeypatch):
    said = {"eos_token_id": [2, 5], "pad_token_id": 2, "temperature": 0.6, "top_p": 0.9, "do_sample": True}
    module = train()
    monkeypatch.setattr(module.loaded.model, "generation_config", GenerationConfig(**said))
    export_merged(module, tmp_path / "merged")
    export_adapter(module, tmp_path / "adapter", with_base=True)
    for folder in (tmp_path / "merged", tmp_path / "adapter" / "base"):
        assert said.items() <= json.loads((folder / "generation_config.json").read_text()).items()


@pytest.mark.parametrize(("kind", "load"), [("gpt2", AutoPeftModelForCausalLM), ("t5", AutoPeftModelForSeq2SeqLM)])
def test_other_architectures_are_exported_with_the_same_logits_to_1e_4(train, other_model, tmp_path, kind, load):
    module = train(other_model(kind, initialization="pissa", targets="attention"))
    again = load.from_pretrained(export_adapter(module, tmp_path / "adapter"))
    torch.testing.assert_close(logits(again), logits(module.model), rtol=1e-4, atol=1e-4)
    export_merged(module, tmp_path / "merged")


@pytest.mark.parametrize(
    ("lora", "alpha"),
    [
        ({"alpha_over_rank": 2.0}, 8),
        ({"alpha_over_rank": 0.5, "rank": 5}, 2),  # 2.5 would be the alpha
        ({"alpha_over_rank": 0.05}, 1),  # 0.2 would be
        ({"variant": "rslora", "alpha_over_rank": 2.0, "rank": 8}, 45),  # 16 times the root of 8
        ({"variant": "dora", "alpha_over_rank": 0.3}, 1),
        ({"variant": "rslora", "initialization": "pissa", "rank": 3}, 21),
    ],
    ids=str,
)
def test_the_adapter_folder_is_plain_lora_with_a_whole_alpha_and_the_same_logits_to_1e_5(
    train, make_module, tmp_path, lora, alpha
):
    module = train(make_module(lora=LoraSettings(**{"rank": 4, **lora})))
    config = json.loads((export_adapter(module, tmp_path / "adapter") / "adapter_config.json").read_text())
    assert config["lora_alpha"] == alpha
    assert type(config["lora_alpha"]) is int
    assert config["use_rslora"] is False
    assert config["use_dora"] is (lora.get("variant") == "dora")
    again = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter")
    torch.testing.assert_close(logits(again), logits(module.model), rtol=1e-5, atol=1e-5)


def test_a_reader_that_knows_alpha_over_rank_alone_gets_the_merged_weights(train, tmp_path):
    module = train(variant="rslora", alpha_over_rank=2.0)
    folder = export_adapter(module, tmp_path / "adapter")
    config, weights = (
        json.loads((folder / "adapter_config.json").read_text()),
        load_file(folder / "adapter_model.safetensors"),
    )
    name = "model.layers.0.mlp.down_proj"
    a, b = (weights[f"base_model.model.{name}.lora_{m}.weight"] for m in "AB")
    merged = module.model.get_base_model().get_submodule(name).get_delta_weight("default")
    torch.testing.assert_close(config["lora_alpha"] / config["r"] * (b @ a), merged, rtol=1e-5, atol=1e-6)


def test_an_adapter_names_the_hub_id_of_its_base_model_also_from_the_hubs_cache(train, tmp_path, tiny_phi3):
    snapshot = tmp_path / "models--some--tiny-phi3" / "snapshots" / "0123456789abcdef"
    shutil.copytree(tiny_phi3, snapshot)
    module = train(CausalLMFinetuner(BaseModelSettings(str(snapshot)), lora=LoraSettings(rank=4)))
    folder = export_adapter(module, tmp_path / "adapter")
    module.release()
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "some/tiny-phi3"
    assert config["revision"] == "0123456789abcdef"
    assert "base_model: some/tiny-phi3" in (folder / "README.md").read_text()
    hub = base_reference(BaseModelSettings("microsoft/Phi-3-mini-4k-instruct", revision="main"))
    assert hub == BaseReference("microsoft/Phi-3-mini-4k-instruct", "main", True)


def test_a_card_tells_base_model_data_configuration_and_scores(train, tmp_path):
    module = train(variant="dora")
    fit = {"data": {"init_args": {"path": "tasks/mine"}}, "model": {"init_args": {"lora": {"rank": 4}}}}
    state = {"TaskData": {"content_digest": "abc"}, "callbacks": {"SliceRecorder": {"slices": [SLICE]}}}
    for write in (export_adapter, export_merged):
        card = (write(module, tmp_path / write.__name__, provenance(fit, state)) / "README.md").read_text()
        assert module.loaded.info.weight_hash in card
        for told in (
            "tiny-phi3",
            "tasks/mine",
            "records_digest: abc",
            "rank: 4",
            "answer_likelihood: 0.625",
            "slices: 3",
        ):
            assert told in card
        assert str(tmp_path) not in card
        assert ("export --merge true" in card) is (write is export_adapter)


def test_a_card_takes_the_score_from_the_checkpoint_of_fit():
    kept = {"monitor": "score", "current_score": torch.tensor(0.25), "best_model_score": torch.tensor(0.5)}
    told = provenance({}, {"epoch": 3, "callbacks": {"ModelCheckpoint": kept, "other": {"monitor": None}}})
    assert told.scores == {"score": 0.25, "slices": 4}


@pytest.mark.parametrize("initialization", ["default", "pissa"])
def test_the_base_model_is_offered_beside_the_adapter(train, tmp_path, initialization):
    module = train(initialization=initialization)
    folder = export_adapter(module, tmp_path / "adapter", with_base=True)
    base = AutoModelForCausalLM.from_pretrained(folder / "base")
    for name, weight in load_base_model(module.base_model).model.state_dict().items():
        if "base_layer" not in name and "lora_" not in name:
            assert torch.equal(base.state_dict()[name], weight)
    again = PeftModel.from_pretrained(base, folder)
    torch.testing.assert_close(logits(again), logits(module.model), rtol=1e-4, atol=1e-4)
    assert "lies in `base`" in (folder / "README.md").read_text()


@pytest.mark.parametrize("write", [export_adapter, export_merged])
def test_a_folder_that_holds_a_model_is_left_alone_unless_it_is_ones_own(train, tmp_path, write):
    module = train()
    (tmp_path / "notes.txt").write_text("mine")
    write(module, tmp_path)  # a folder with other files is free
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for again in (export_adapter, export_merged):
        with pytest.raises(
            FileExistsError, match=r"holds an adapter or a model already .*Give a new folder as `--output`"
        ):
            again(module, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    export_adapter(module, tmp_path, replace=True)
    assert not (tmp_path / "model.safetensors").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(NotADirectoryError, match="which is a file"):
        export_adapter(module, tmp_path / "notes.txt")


def test_complaint_7_a_merge_that_loses_digits_is_refused(train, tmp_path, monkeypatch):
    module = train()
    monkeypatch.setattr("lightning_quicktune.finetune.export.MERGE_TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match=r"logits differ .* Set `model.init_args.base_model.dtype: float32`"):
        export_merged(module, tmp_path / "merged")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_is_not_there_or_damaged_says_so(train, tmp_path):
    module = train()
    with pytest.raises(FileNotFoundError, match=r"`checkpoint` is .*none\.ckpt, and there is no such file"):
        load_adapter(module, tmp_path / "none.ckpt")
    (tmp_path / "bad.ckpt").write_bytes(b"bad")
    with pytest.raises(ValueError, match=r"`checkpoint` is .*bad\.ckpt, which can't be read as a checkpoint"):
        load_adapter(module, tmp_path / "bad.ckpt")


@pytest.mark.parametrize("initialization", ["default", "pissa_niter_16"])
def test_an_adapter_is_loaded_from_its_checkpoint_under_any_seed(
    train, make_module, tmp_path, monkeypatch, initialization
):
    module = train(initialization=initialization)
    expected = logits(module.model)
    base_model = {"name": "tiny-phi3", "weight_hash": module.loaded.info.weight_hash}
    torch.save({"state_dict": module.state_dict(), "base_model": base_model}, tmp_path / "some.ckpt")
    module.release()
    monkeypatch.setenv("PL_GLOBAL_SEED", "17")
    again = make_module(lora=LoraSettings(rank=4, initialization=initialization))
    load_adapter(again, tmp_path / "some.ckpt")
    again.model.eval()
    assert torch.equal(logits(again.model), expected)


def test_a_base_model_that_is_quantized_in_memory_is_neither_written_nor_merged(train, tmp_path, monkeypatch):
    module = train()
    monkeypatch.setattr(module.loaded.model, "is_quantized", True, raising=False)
    with pytest.raises(ValueError, match=r"`merge` is true, but the weights of `tiny-phi3` are quantized in memory"):
        export_merged(module, tmp_path / "merged")
    with pytest.raises(ValueError, match=r"`with_base` is true, .* Export the adapter alone"):
        export_adapter(module, tmp_path / "adapter", with_base=True)
    assert (export_adapter(module, tmp_path / "alone") / "adapter_model.safetensors").is_file()
    assert not any((tmp_path / name).exists() for name in ("merged", "adapter"))
