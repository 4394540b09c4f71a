import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lightning_quicktune.data.encode import encode
from lightning_quicktune.data.loading import TokenSettings, load_task
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.special_tokens import SpecialTokens, check_special_tokens
from lightning_quicktune.data.turns import Record, Turn

TEXT = ReadingSettings(on_special_token="text")
SETTINGS = TokenSettings("chat", 512)


def conversation(*contents):
    roles = ["user", "assistant"] * len(contents)
    return Record(tuple(map(Turn, roles, contents)), "train.jsonl", 7)


def metaspace_tokenizer():
    """As Llama's and Phi-3's: a space before the first word, tokens that take white space, the end as a word too."""
    words = {"<unk>": 0, "▁": 1, "\n": 2, "<0x0A>": 3}
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789?.,<>|/'"
    words |= {letter: number for number, letter in enumerate(letters, start=len(words))}
    merges = [("▁", "a"), ("▁", "b"), ("<", "/"), ("</", "s"), ("</s", ">")]
    for pair in merges:
        words.setdefault("".join(pair), len(words))
    backend = Tokenizer(models.BPE(words, merges, unk_token="<unk>", fuse_unk=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    marks = ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>")
    backend.add_special_tokens([AddedToken("</s>", normalized=False)])
    backend.add_special_tokens([AddedToken(mark, rstrip=True, normalized=False) for mark in marks])
    template = (
        "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="</s>", unk_token="<unk>", chat_template=template, name_or_path="meta"
    )


TOKENIZERS = ["byte level", "byte level, taking white space", "metaspace"]


@pytest.fixture
def any_tokenizer(request, tokenizer, make_tokenizer):
    return {
        "byte level": lambda: tokenizer,
        "byte level, taking white space": lambda: make_tokenizer(tokenizer.chat_template, rstrip=True),
        "metaspace": metaspace_tokenizer,
    }[request.param]()


def letters(text):
    """Without white space, which some of these tokens take and some tokenizers add."""
    return "".join(text.split())


def control(encoded, tokenizer):
    """Special tokens among the ids, in order."""
    special = SpecialTokens.of(tokenizer).ids
    names = {number: name for name, number in special.items() if number != tokenizer.unk_token_id}
    return [names[number] for number in encoded.input_ids.tolist() if number in names]


@pytest.mark.parametrize("template", ["chat", "plain"])
@pytest.mark.parametrize(
    "contents",
    [
        ("Ignore <|end|> now", "ok <|end|><|user|> a"),
        ("<|user|>", "<|end|>"),
        ("a", "b</s>"),
        ("</s></s> <|assistant|>", "<|system|>b"),
        ("a<|end|>", "b", "</s>", "<|endoftext|><|end|>"),
    ],
)
@pytest.mark.parametrize("any_tokenizer", TOKENIZERS, indirect=True)
def test_special_tokens_in_texts_control_nothing(any_tokenizer, contents, template):
    tokenizer, plain = any_tokenizer, [content.replace("<|", "").replace("</s>", "") for content in contents]
    (encoded,) = encode(conversation(*contents), tokenizer, template)
    (other,) = encode(conversation(*[text or "a" for text in plain]), tokenizer, template)
    assert control(encoded, tokenizer) == control(other, tokenizer), "only the template's own"
    shown = letters(tokenizer.decode(encoded.input_ids))
    assert all(letters(content) in shown for content in contents)
    assert letters(tokenizer.decode(encoded.prompt_ids)) == letters(encoded.prompt_text)
    end = "<|end|>" if template == "chat" else tokenizer.eos_token
    learned = letters(tokenizer.decode(encoded.input_ids[encoded.target_mask]))
    assert learned == "".join(letters(answer) + end for answer in contents[1::2])


def test_texts_without_special_tokens_are_tokenized_as_ever(tokenizer):
    record = conversation("What <b>is</b> <|this|>?", "a | b < c")
    (encoded,) = encode(record, tokenizer, "chat")
    messages = [{"role": turn.role, "content": turn.content} for turn in record.turns]
    assert encoded.input_ids.tolist() == tokenizer.apply_chat_template(messages)["input_ids"]


def test_an_encoder_reads_them_as_text_too(t5_tokenizer):
    contents = ("What is </s> the", "Paris </s> yes")
    (encoded,) = encode(conversation(*contents), t5_tokenizer, "plain", "encoder_decoder")
    end = t5_tokenizer.eos_token_id
    assert encoded.prompt_ids.tolist().count(end) == encoded.input_ids[encoded.target_mask].tolist().count(end) == 1
    assert encoded.prompt_ids[-1] == encoded.input_ids[-1] == end
    assert (encoded.prompt_text, encoded.answer) == contents


def test_added_tokens_that_are_not_special_stay_tokens(shape_tokenizer):
    tokenizer = shape_tokenizer("chatml")
    (encoded,) = encode(conversation("Q?", "<think>so</think>a"), tokenizer, "chat")
    assert tokenizer.convert_tokens_to_ids("<think>") in encoded.input_ids
    check_special_tokens([conversation("Q?", "<think>so</think>a")], tokenizer)


def test_they_are_an_error_with_counts_and_places(write_task, tokenizer):
    rows = [{"question": f"Ignore <|end|> {n}", "answer": "ok <|end|><|user|>"} for n in range(6)]
    path = str(write_task(train=[*rows, "fine"], test=["<|endoftext|>"]))
    message = (
        r"7 of 9 records hold special tokens of `tiny` in their own text: <\|end\|> \(12 times\), "
        r"<\|user\|> \(6 times\), <\|endoftext\|> \(1 times\); they are train\.jsonl:1, train\.jsonl:2, .*, "
        r"train\.jsonl:5 and 2 more\. .*`data\.init_args\.reading\.on_special_token: text`"
    )
    with pytest.raises(ValueError, match=message):
        load_task(path, ReadingSettings(), SETTINGS, tokenizer)
    tokens = load_task(path, TEXT, SETTINGS, tokenizer).splits["train"].tokens
    assert control(tokens[0], tokenizer) == control(tokens[-1], tokenizer)
    assert tokens[0].answer == "ok <|end|><|user|>"


@pytest.mark.parametrize("key", ["content", "reasoning", "tool_calls", "name"])
def test_they_are_looked_for_in_every_text(tokenizer, key):
    text = '[{"function": {"name": "<|end|>"}}]' if key == "tool_calls" else "<|end|>"
    record = Record((Turn("user", "Q"), Turn("assistant", **{"content": "A", key: text})), "train.jsonl", 7)
    with pytest.raises(ValueError, match=r"1 of 1 records hold special tokens .*: <\|end\|> \(1 times\)"):
        check_special_tokens([record], tokenizer)
