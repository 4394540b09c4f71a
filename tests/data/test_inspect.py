import re

import pytest

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.encode import encode
from lightning_quicktune.data.inspect import inspection, marked
from lightning_quicktune.data.meta_features import TEXT_META_FEATURES
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.records import parse_record

DROP = ReadingSettings(on_long_prompt="drop")


@pytest.fixture
def text(write_task, tokenizer):
    data = TaskData(
        str(write_task(train=["yes", "long " * 60, "no", "no, no", "not shown"])), max_length=64, reading=DROP
    )
    data.attach_tokenizer(tokenizer)
    with pytest.warns(UserWarning, match="left out"):
        data.setup()
    return inspection(data)


def test_records_are_shown_with_their_mask(text):
    assert "<|user|>\ntrain 0?<|end|>\n<|assistant|>\n«yes<|end|>»\n<|endoftext|>" in text
    assert text.count("«") == 1 + 3
    assert "not shown" not in text


def test_lengths_and_meta_features_are_shown(text):
    rows = [line.split(" | ") for line in text.split("\n") if line.startswith("| ")]
    train = next(row for row in rows if row[0] == "| train")
    assert train[1:4] == ["4", "1", "all"]
    quantiles = [int(cell.strip(" |")) for cell in train[4:]]
    assert quantiles == sorted(quantiles)
    assert quantiles[-1] <= 64
    assert all(f"| {name} | " in text for name in TEXT_META_FEATURES)


def inspected(path, tokenizer, layout="decoder", **settings):
    data = TaskData(path, **settings)
    data.attach_tokenizer(tokenizer, layout)
    data.setup()
    return inspection(data)


def test_packed_rows_are_counted(write_task, tokenizer):
    path = str(write_task(train=["yes", "no", "long " * 20, "no, no"]))
    text = inspected(path, tokenizer, packing=True)
    packed = re.search(
        r"the 1 micro-batches of the first slice have (\d) rows, in which (\d+) of (\d+) positions", text
    )
    rows, n_tokens, positions = map(int, packed.groups())
    assert rows < 4
    assert n_tokens <= positions
    assert text.replace(re.search(r"Packed: .*\n\n", text)[0], "") == inspected(path, tokenizer)


def test_an_encoder_decoder_shows_what_each_half_has(write_task, t5_tokenizer):
    text = inspected(str(write_task(train=["yes"])), t5_tokenizer, "encoder_decoder", template="plain")
    assert "between « and », and the encoder reads what stands before\n\n" in text
    assert "train 0?</s>«yes</s>»" in text


def test_every_assistant_turn_is_marked(tokenizer):
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    record = parse_record({"messages": [{"role": role, "content": text} for role, text in turns]}, "f", 1)
    shown = marked(encode(record, tokenizer, "chat")[0], tokenizer)
    assert shown.count("«") == 2
    assert shown.endswith("«d<|end|>»\n<|endoftext|>")
