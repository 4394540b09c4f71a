import pytest

from lightning_quicktune.data.encode import encode, stop_token_ids
from lightning_quicktune.data.turns import Record, Turn


def record(*contents, system=None):
    turns = [Turn(role, text) for role, text in zip(["user", "assistant"] * 3, contents, strict=False)]
    return Record((Turn("system", system), *turns) if system else tuple(turns), "train.jsonl", 3)


def encoded_pair(record, tokenizer):
    (encoded,) = encode(record, tokenizer, "plain", "encoder_decoder")
    return encoded


def pieces(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens(ids.tolist())


def test_question_and_answer_are_encoded_as_the_tokenizer_does(t5_tokenizer):
    encoded = encoded_pair(record("What is the capital?", "Paris"), t5_tokenizer)
    assert encoded.prompt_ids.tolist() == t5_tokenizer("What is the capital?")["input_ids"]
    assert pieces(t5_tokenizer, encoded.prompt_ids)[:4] == ["▁What", "▁is", "▁the", "▁capital"]
    assert pieces(t5_tokenizer, encoded.input_ids[encoded.target_mask]) == ["▁Paris", "</s>"]
    assert encoded.n_targets == 2
    assert (encoded.prompt_text, encoded.answer) == ("What is the capital?", "Paris")


def test_earlier_turns_are_part_of_the_question(t5_tokenizer):
    talk = record("What", "yes", "is", "the", system="Paris")
    encoded = encoded_pair(talk, t5_tokenizer)
    assert encoded.prompt_text == "Paris\nWhat\nyes\nis"
    assert pieces(t5_tokenizer, encoded.prompt_ids) == ["▁Paris", "▁What", "▁yes", "▁is", "</s>"]
    assert pieces(t5_tokenizer, encoded.input_ids[encoded.target_mask]) == ["▁the", "</s>"]


def test_an_end_is_added_where_the_tokenizer_adds_none(make_tokenizer):
    tokenizer = make_tokenizer(None)
    encoded = encoded_pair(record("Q", " yes\n"), tokenizer)
    assert tokenizer.decode(encoded.input_ids[encoded.target_mask]) == " yes\n<|endoftext|>"
    assert tokenizer.decode(encoded.prompt_ids) == "Q"


def test_generation_stops_on_the_end(t5_tokenizer):
    assert stop_token_ids(t5_tokenizer, "plain") == (t5_tokenizer.eos_token_id,)


def test_an_end_token_is_needed(make_tokenizer):
    tokenizer = make_tokenizer(None)
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match=r"`tiny` has no end-of-sequence token.*`model\.init_args\.base_model\.name`"):
        encoded_pair(record("Q", "A"), tokenizer)


def test_a_question_without_tokens_is_an_error(make_tokenizer):
    from tokenizers import normalizers

    tokenizer = make_tokenizer(None)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\u200b", "")
    with pytest.raises(ValueError, match=r"question becomes no token: `tiny` drops"):
        encoded_pair(record("\u200b", "A"), tokenizer)
