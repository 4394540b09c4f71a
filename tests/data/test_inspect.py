import pytest

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.inspect import inspection, marked
from lightning_quicktune.data.meta_features import TEXT_META_FEATURES
from lightning_quicktune.data.records import parse_record
from lightning_quicktune.data.template import encode


@pytest.fixture
def text(write_task, tokenizer):
    data = TaskData(str(write_task(train=["yes", "long " * 60, "no", "no, no", "not shown"])), max_length=64)
    data.token_settings = type(data.token_settings)("chat", 64, "drop")
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


def test_every_assistant_turn_is_marked(tokenizer):
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    record = parse_record({"messages": [{"role": role, "content": text} for role, text in turns]}, "f", 1)
    shown = marked(encode(record, tokenizer, "chat"), tokenizer)
    assert shown.count("«") == 2
    assert shown.endswith("«d<|end|>»\n<|endoftext|>")
