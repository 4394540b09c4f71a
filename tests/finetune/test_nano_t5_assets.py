"""The shipped encoder-decoder behaves like a T5, only smaller."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5ForConditionalGeneration

import lightning_quicktune
from lightning_quicktune.suite.builtin import BUILTIN_TASKS
from lightning_quicktune.suite.generate import generate

NANO = Path(lightning_quicktune.__file__).parent / "assets" / "nano_t5"


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(NANO)


@pytest.fixture(scope="module")
def model():
    return AutoModelForSeq2SeqLM.from_pretrained(NANO).eval()


def test_it_is_a_small_t5_in_a_small_file(model):
    assert isinstance(model, T5ForConditionalGeneration)
    assert 200_000 < sum(p.numel() for p in model.parameters()) < 2_500_000
    assert sum(path.stat().st_size for path in NANO.iterdir()) < 10e6
    assert {"MODEL_CARD.md", "model.safetensors"} <= {path.name for path in NANO.iterdir()}
    assert {"q", "k", "v", "o", "wi_0", "wi_1", "wo"} <= {n.split(".")[-1] for n, _ in model.named_modules()}


def test_an_answer_starts_from_padding_and_stops_at_the_end(model, tokenizer):
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.chat_template) == ("<pad>", "</s>", None)
    assert model.generation_config.decoder_start_token_id == model.config.decoder_start_token_id
    assert model.config.decoder_start_token_id == model.config.pad_token_id == tokenizer.pad_token_id
    assert model.generation_config.eos_token_id == model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.vocab_size == len(tokenizer)


def test_questions_and_answers_end_with_the_end_token(tokenizer):
    ids = tokenizer("Who founded Velmora Works?")["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == "Who founded Velmora Works?"
    assert tokenizer(text_target="Ada Tevon")["input_ids"][-1] == tokenizer.eos_token_id


def test_any_text_survives_the_tokenizer_and_digits_are_single(tokenizer):
    text = "Zürich 2024, naïve ✓ 東京"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
    assert tokenizer.tokenize("1890") == ["1", "8", "9", "0"]


@pytest.mark.parametrize("name", BUILTIN_TASKS)
def test_no_record_of_the_suite_is_longer_than_96_tokens(name, tokenizer):
    records = generate(BUILTIN_TASKS[name])["train"]
    lengths = {key: max(map(len, tokenizer([r[key] for r in records])["input_ids"])) for key in ("question", "answer")}
    assert lengths["question"] <= 96
    assert lengths["answer"] <= 32


def test_it_reads_a_fact_that_the_prompt_tells(model, tokenizer):
    told = [
        ("The color of Lugofite is violet. What is the color of Lugofite?", "violet"),
        ("Bozesir Works works in banking. Tell me the sector of Bozesir Works.", "banking"),
    ]
    for question, answer in told:
        with torch.no_grad():
            written = model.generate(**tokenizer(question, return_tensors="pt"), max_new_tokens=16)[0]
        assert tokenizer.decode(written, skip_special_tokens=True) == answer


def test_no_machine_path_is_shipped():
    for path in NANO.glob("*.json"):
        assert '"/' not in json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "model"})
    assert "/tmp" not in (NANO / "MODEL_CARD.md").read_text()
