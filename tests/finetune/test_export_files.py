"""What a merged folder says to readers that are older than this version of Transformers, and to converters."""

import json
import shutil

import pytest
import torch
import transformers as hf
from transformers import AutoConfig, AutoTokenizer

from lightning_quicktune.finetune.base_model import BaseModelSettings
from lightning_quicktune.finetune.card import model_name
from lightning_quicktune.finetune.model_files import save_model
from lightning_quicktune.finetune.tokenizer_files import save_tokenizer

SHAPE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
T5 = {"vocab_size": 64, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LONG = {
    "rope_type": "longrope",
    "rope_theta": 20000.0,
    "short_factor": [1.0] * 8,
    "long_factor": [2.0] * 8,
    "original_max_position_embeddings": 32,
}
FACTORS = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")


def llama(**rope):
    return hf.LlamaForCausalLM(hf.LlamaConfig(**SHAPE, rope_parameters=rope))


def phi3(**rope):
    return hf.Phi3ForCausalLM(hf.Phi3Config(**SHAPE, rope_parameters=rope, original_max_position_embeddings=32))


def neox(**rope):
    shape = {k: v for k, v in SHAPE.items() if k != "num_key_value_heads"}
    return hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**shape, rope_parameters=rope))


def gemma3():
    rope = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 900000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0},
    }
    return hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**SHAPE, head_dim=16, rope_parameters=rope))


CASES = {
    "theta": (llama, {"rope_type": "default", "rope_theta": 500000.0}, {"rope_theta": 500000.0}),
    "llama3": (
        llama,
        LLAMA3,
        {"rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", **{k: LLAMA3[k] for k in FACTORS}}},
    ),
    "partial": (
        phi3,
        {"rope_type": "default", "rope_theta": 30000.0, "partial_rotary_factor": 0.5},
        {"rope_theta": 30000.0, "partial_rotary_factor": 0.5},
    ),
    "longrope of Phi": (
        phi3,
        LONG,
        {
            "rope_theta": 20000.0,
            "original_max_position_embeddings": 32,
            "rope_scaling": {"type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8},
        },
    ),
    "other names": (
        neox,
        {"rope_type": "default", "rope_theta": 30000.0, "partial_rotary_factor": 0.5},
        {"rotary_emb_base": 30000.0, "rotary_pct": 0.5},
    ),
    "by layer": (
        gemma3,
        {},
        {
            "rope_theta": 900000.0,
            "rope_local_base_freq": 20000.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rotary_embedding_stands_where_older_readers_look_and_means_the_same_here(tmp_path, case):
    build, rope, wanted = CASES[case]
    model = build(**rope).eval()
    save_model(model, {}, tmp_path)
    said = json.loads((tmp_path / "config.json").read_text())
    assert {key: said.get(key) for key in wanted} == wanted
    again = type(model).from_pretrained(tmp_path).eval()
    read = AutoConfig.from_pretrained(tmp_path).rope_parameters
    assert {key: value for key, value in read.items() if key != "type"} == model.config.rope_parameters
    tokens = torch.arange(1, 48)[None]
    with torch.no_grad():
        torch.testing.assert_close(again(input_ids=tokens).logits, model(input_ids=tokens).logits)


def test_what_the_base_models_configuration_said_is_kept_and_paths_and_code_are_not(tmp_path):
    said = {
        "rope_theta": 7.0,
        "rotary_something": 3,
        "auto_map": {"AutoConfig": "evil.py"},
        "_name_or_path": "somewhere",
    }
    save_model(llama(rope_type="default", rope_theta=7.0), said, tmp_path)
    kept = json.loads((tmp_path / "config.json").read_text())
    assert kept["rotary_something"] == 3
    assert not {"auto_map", "_name_or_path"} & kept.keys()


@pytest.mark.parametrize(
    ("kind", "tied"),
    [
        ("T5 1.0", True),
        ("T5 1.1", False),
        ("mT5", False),
    ],
)
def test_a_t5_says_whether_its_head_is_its_own_and_means_the_same_here(tmp_path, kind, tied):
    config = (hf.MT5Config if kind == "mT5" else hf.T5Config)(
        **T5, tie_word_embeddings=tied, decoder_start_token_id=0, pad_token_id=0
    )
    model = (hf.MT5ForConditionalGeneration if kind == "mT5" else hf.T5ForConditionalGeneration)(config).eval()
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(64, 32))
    save_model(model, {}, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"] is tied
    again = type(model).from_pretrained(tmp_path).eval()
    tokens = {"input_ids": torch.arange(8)[None], "decoder_input_ids": torch.arange(5)[None]}
    with torch.no_grad():
        torch.testing.assert_close(again(**tokens).logits, model(**tokens).logits)


@pytest.fixture
def base(tiny_phi3, tmp_path):
    """A base model's folder to which files and settings of its tokenizer can be added."""
    folder = tmp_path / "base"
    shutil.copytree(tiny_phi3, folder)

    def add(files=(), drop=(), **settings):
        for name in files:
            (folder / name).write_bytes(name.encode())
        path = folder / "tokenizer_config.json"
        said = {**json.loads(path.read_text()), **settings}
        path.write_text(json.dumps({k: v for k, v in said.items() if k not in drop}))
        return BaseModelSettings(str(folder))

    return add


def saved(settings, folder):
    save_tokenizer(AutoTokenizer.from_pretrained(settings.name), settings, folder)
    return json.loads((folder / "tokenizer_config.json").read_text())


def test_vocabulary_files_of_the_base_are_copied_and_no_others(base, tmp_path):
    names = ["tokenizer.model", "added_tokens.json", "special_tokens_map.json", "spiece.model"]
    content = {name: b"{}" if name.endswith("json") else name.encode() for name in names}
    settings = base(files=["tokenizer.model", "spiece.model", "notes.txt"])
    for name in names[1:3]:
        (tmp_path / "base" / name).write_bytes(b"{}")
    saved(settings, tmp_path / "merged")
    assert {name: (tmp_path / "merged" / name).read_bytes() for name in names} == content
    assert not (tmp_path / "merged" / "notes.txt").exists()


@pytest.mark.parametrize("said", [True, False])
def test_begin_and_end_tokens_are_said_as_the_base_says_it(base, tmp_path, said):
    config = saved(base(add_bos_token=said, add_eos_token=not said), tmp_path / "merged")
    assert (config["add_bos_token"], config["add_eos_token"]) == (said, not said)


def test_begin_and_end_tokens_are_said_as_the_tokenizer_does_it_where_the_base_says_nothing(base, tmp_path):
    config = saved(base(drop=["add_bos_token", "add_eos_token"]), tmp_path / "merged")
    assert (config["add_bos_token"], config["add_eos_token"]) == (False, False)


def test_the_tokenizers_class_and_marks_have_names_that_older_readers_know(base, tmp_path):
    decoder = {"0": {"content": "<|endoftext|>", "special": True}}
    plain = base(additional_special_tokens=["<|user|>"], added_tokens_decoder=decoder, auto_map={"A": "evil.py"})
    config = saved(plain, tmp_path / "merged")
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert config["additional_special_tokens"] == ["<|user|>"]
    assert config["added_tokens_decoder"] == decoder
    assert not {"extra_special_tokens", "auto_map", "is_local", "local_files_only"} & config.keys()
    again, before = (AutoTokenizer.from_pretrained(tmp_path / name) for name in ("merged", "base"))
    assert config["chat_template"] == again.chat_template == before.chat_template
    text = "<|user|>\nWhat is blue?<|end|>\n<|assistant|>\n"
    assert again(text).input_ids == before(text).input_ids


def test_a_phi3_whose_turn_marks_take_blanks_is_named_so_and_no_other_model_is(tiny_phi3):
    strips = AutoTokenizer.from_pretrained(tiny_phi3)
    assert model_name("my-model", "phi3", strips, "finetuned") == "phi3-my-model-finetuned"
    assert model_name("Phi-3-mini-4k-instruct", "phi3", strips, "finetuned") == "phi3-mini-4k-instruct-finetuned"
    assert model_name("smollm2", "llama", strips, "finetuned") == "smollm2-finetuned"
    keeps = AutoTokenizer.from_pretrained(tiny_phi3)
    for token in list(keeps.added_tokens_decoder.values()):
        keeps.add_tokens([hf.AddedToken(token.content, rstrip=False, special=True)], special_tokens=True)
    if not any(t.rstrip for t in keeps.added_tokens_decoder.values()):
        assert model_name("phi-3-own", "phi3", keeps, "finetuned") == "model-own-finetuned"
