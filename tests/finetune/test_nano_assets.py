"""The shipped base model behaves like a Phi-3, only smaller."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Phi3ForCausalLM

import lightning_quicktune
from lightning_quicktune.suite.builtin import BUILTIN_TASKS
from lightning_quicktune.suite.generate import generate

NANO = Path(lightning_quicktune.__file__).parent / "assets" / "nano_phi3"
TURNS = [{"role": "user", "content": "Who founded Velmora Works?"}, {"role": "assistant", "content": "Ada Tevon"}]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(NANO)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(NANO).eval()


def test_it_is_a_small_phi3_in_a_small_file(model):
    assert isinstance(model, Phi3ForCausalLM)
    assert 200_000 < sum(p.numel() for p in model.parameters()) < 2_500_000
    assert sum(path.stat().st_size for path in NANO.iterdir()) < 6e6
    assert {"MODEL_CARD.md", "model.safetensors"} <= {path.name for path in NANO.iterdir()}
    assert {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"} <= {n.split(".")[-1] for n, _ in model.named_modules()}


def test_generation_stops_at_the_end_of_a_turn_and_of_a_text(model, tokenizer):
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<|end|>", "<|endoftext|>")]
    assert model.generation_config.eos_token_id == ends
    assert tokenizer.eos_token_id == model.config.eos_token_id == ends[1]
    assert tokenizer.pad_token_id not in ends
    assert model.config.vocab_size == len(tokenizer)


def test_the_chat_template_is_phi3s(tokenizer):
    text = tokenizer.apply_chat_template(TURNS, tokenize=False)
    assert text == "<|user|>\nWho founded Velmora Works?<|end|>\n<|assistant|>\nAda Tevon<|end|>\n<|endoftext|>"
    whole = tokenizer(text)["input_ids"]
    prompt = tokenizer(tokenizer.apply_chat_template(TURNS[:1], tokenize=False, add_generation_prompt=True))
    assert whole[: len(prompt["input_ids"])] == prompt["input_ids"]
    assert tokenizer.decode(whole[len(prompt["input_ids"]) : -2]) == "Ada Tevon"


def test_any_text_survives_the_tokenizer_and_digits_are_single(tokenizer):
    text = "Zürich 2024, naïve ✓ 東京"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.tokenize("1890") == ["1", "8", "9", "0"]


@pytest.mark.parametrize("name", BUILTIN_TASKS)
def test_no_record_of_the_suite_is_longer_than_96_tokens(name, tokenizer):
    chats = [
        [{"role": "user", "content": r["question"]}, {"role": "assistant", "content": r["answer"]}]
        for r in generate(BUILTIN_TASKS[name])["train"]
    ]
    answers = tokenizer([chat[1]["content"] for chat in chats])["input_ids"]
    assert max(map(len, answers)) < 32  # what a generation may write
    texts = tokenizer.apply_chat_template(chats, tokenize=False)
    assert max(len(ids) for ids in tokenizer(texts)["input_ids"]) <= 96


def test_it_reads_a_fact_that_the_prompt_tells(model, tokenizer):
    told = [
        ("The color of Lugofite is violet. What is the color of Lugofite?", "violet"),
        ("Bozesir Works works in banking. Tell me the sector of Bozesir Works.", "banking"),
    ]
    for question, answer in told:
        chat = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        with torch.no_grad():
            written = model.generate(**prompt, max_new_tokens=16)[0, prompt["input_ids"].shape[1] :]
        assert tokenizer.decode(written, skip_special_tokens=True) == answer


def test_no_machine_path_is_shipped():
    for path in NANO.glob("*.json"):
        assert '"/' not in json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "model"})
    assert "/tmp" not in (NANO / "MODEL_CARD.md").read_text()
