import re
from dataclasses import replace

import pytest

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.encode import encode
from lightning_quicktune.data.examine import Examination, examine
from lightning_quicktune.data.inspect import bad_records, inspection
from lightning_quicktune.data.meta_features import TEXT_META_FEATURES
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.report import ReadingReport
from lightning_quicktune.data.showing import COLOUR, GUILLEMETS, marked, marks_for
from lightning_quicktune.data.turns import Record, Turn

FOUND = Examination(())


def make(path, tokenizer, layout="decoder", **settings):
    data = TaskData(str(path), **settings)
    data.attach_tokenizer(tokenizer, layout)
    return data


def inspected(path, tokenizer, layout="decoder", n_records=3, **settings):
    data = make(path, tokenizer, layout, **settings)
    return inspection(data, examine(data), n_records)


@pytest.fixture
def text(write_task, tokenizer):
    path = write_task(train=["yes", "long " * 60, "no", "no, no", "not shown"])
    return inspected(path, tokenizer, max_length=64, reading=ReadingSettings(on_long_prompt="drop"))


def test_records_are_shown_with_their_mask_before_all_else(text):
    heading, first, *_ = text.split("\n\n")[1:]
    assert heading == "## First training records; the loss is taken between « and »"
    assert first == "````text\n<|user|>\ntrain 0?<|end|>\n<|assistant|>\n«yes<|end|>»\n<|endoftext|>\n````"
    assert text.count("«") == 1 + 3
    assert "not shown" not in text
    assert "stops training" not in text


@pytest.mark.parametrize("n_records", [1, 2, 9])
def test_as_many_records_are_shown_as_asked_for(write_task, tokenizer, n_records):
    path = write_task(train=["a", "b", "c", "d"])
    assert inspected(path, tokenizer, n_records=n_records).count("````text") == min(n_records, 4)


def test_lengths_and_meta_features_are_shown(text):
    rows = [line.split(" | ") for line in text.split("\n") if line.startswith("| ")]
    train = next(row for row in rows if row[0] == "| train")
    assert train[1:4] == ["4", "1", "all"]
    quantiles = [int(cell.strip(" |")) for cell in train[4:]]
    assert quantiles == sorted(quantiles)
    assert quantiles[-1] <= 64
    assert all(f"| {name} | " in text for name in TEXT_META_FEATURES)


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
    turns = [Turn(role, text) for role, text in zip(["user", "assistant"] * 2, "abcd", strict=True)]
    shown = marked(encode(Record(tuple(turns), "f", 1), tokenizer, "chat")[0], tokenizer)
    assert shown.count("«") == 2
    assert shown.endswith("«d<|end|>»\n<|endoftext|>")


def test_colour_and_escape_characters_of_the_data(tokenizer):
    record = Record((Turn("user", "Q"), Turn("assistant", "red \x1b[31m")), "f", 1)
    shown = marked(encode(record, tokenizer, "chat")[0], tokenizer, COLOUR)
    assert shown.count("\x1b") == 2
    assert "\x1b[1;32mred \\x1b[31m<|end|>\x1b[0m" in shown


@pytest.mark.parametrize(
    ("terminal", "environment", "marks"),
    [
        (True, {}, COLOUR),
        (True, {"NO_COLOR": ""}, COLOUR),
        (True, {"NO_COLOR": "1"}, GUILLEMETS),
        (True, {"TERM": "dumb"}, GUILLEMETS),
        (False, {}, GUILLEMETS),
    ],
)
def test_colour_is_for_terminals_whose_user_wants_it(monkeypatch, terminal, environment, marks):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert marks_for(terminal=terminal) is marks


def test_where_generation_starts_is_said_if_a_server_would_start_elsewhere(write_task, shape_tokenizer):
    path = write_task(train=["yes"])
    text = inspected(path, shape_tokenizer("gpt_oss"))
    assert "assistant<|channel|>final<|message|>', while the template's own ends in" in text
    assert "whoever serves the model" in inspected(path, shape_tokenizer("deepseek_r1"))
    assert "whoever serves the model" not in inspected(path, shape_tokenizer("qwen3"))
    assert "whoever serves the model" not in inspected(path, shape_tokenizer("qwen3"), template="plain")


def test_everything_that_stops_training_is_shown_at_once_beside_what_is_right(write_task, tokenizer):
    train = ["yes", {"question": "q?"}, "long " * 60, "<|end|>", {"question": "test 0?", "answer": "same"}]
    data = make(write_task(train=train, test=["same"]), tokenizer, max_length=64)
    found = examine(data)
    said = "\n".join(found.faults)
    assert len(found.faults) == 4
    assert "1 records can't be used; they are listed below. To leave them out, set `data.init_args.reading.on_b" in said
    assert "1 records are in more than one split. To leave them out, set `data.init_args.reading.on_dupl" in said
    assert "1 records have more than 64 tokens. To leave them out, set `data.init_args.reading.on_long" in said
    assert "1 of 4 records hold special tokens of `tiny` in their own text: <|end|> (1 times); they are train.j" in said
    text = inspection(data, found, 3)
    assert "«yes<|end|>»" in text
    assert all(f"- {fault}" in text for fault in found.faults)
    listed = text.partition("## 3 records that can't be used as they are\n\n")[2].split("\n\n")[0].split("\n")
    assert [line.partition(": ")[0] for line in listed] == ["- train.jsonl:2", "- train.jsonl:3", "- train.jsonl:4"]
    assert re.search(r"train\.jsonl:3: \d+ tokens, more than 64", text)


def test_all_bad_records_are_listed_where_only_these_are_asked_for(write_task, tokenizer):
    data = make(write_task(train=["yes", *[{"question": f"{n}?"} for n in range(30)]]), tokenizer)
    found = examine(data)
    assert "- and 10 more, which `--where bad` shows" in inspection(data, found, 1)
    text = bad_records(data, found)
    assert all(f"- train.jsonl:{line}: no `answer`" in text for line in range(2, 32))
    assert "«" not in text
    assert "Meta-features" not in text


def test_without_bad_records_that_is_said(write_task, tokenizer):
    data = make(write_task(train=["yes"]), tokenizer)
    assert bad_records(data, examine(data)).endswith("Every record can be used.")


def test_what_can_not_be_read_at_all_is_shown_too(write_task, tokenizer, tmp_path):
    data = make(write_task(train=[{"question": "q?"}]), tokenizer)
    found = examine(data)
    assert not found.is_read
    assert "train.jsonl:1: no `answer`" in found.faults[0]
    assert "No record is left for the train split" in inspection(data, found, 3)
    data = make(tmp_path / "gone", tokenizer)
    assert "gone" in bad_records(data, examine(data))


def test_what_was_read_of_which_key_is_shown(write_task, tokenizer):
    data = make(write_task(train=["yes", "no"]), tokenizer)
    found = examine(data)
    head = "## What was read\n\n0 records can't be used, 0 were dropped as duplicates.\n\n| format | train | val"
    text = inspection(data, found, 1)
    assert head in text
    assert "| question/answer | 2 | 1 | 1 |" in text
    assert "| `answer` | 4 | answer |\n| `question` | 4 | question |" in text
    report = ReadingReport(
        formats={"train": {"question/answer": 2, "messages": 1}, "test": {"question/answer": 1}},
        read={"question": 3, "answer": 3},
        ignored={"score": 2},
        shared_questions={"train": 1, "validation": 0},
    )
    data._loaded = replace(data._loaded, report=report)
    text = inspection(data, replace(found, notes=("One question is asked often.",)), 1)
    assert "| format | train | validation | test |\n|---|---|---|---|\n| messages | 1 | 0 | 0 |\n" in text
    assert "| question/answer | 2 | 0 | 1 |" in text
    assert "| `answer` | 3 | answer |\n| `question` | 3 | question |\n| `score` | 2 | not read |" in text
    assert "Records whose question is in a later split too: 1 of train." in text
    assert "Note: One question is asked often." in text
    assert data.describe()["n_shared_questions"] == 1


def test_of_one_file_the_records_are_counted_and_mapped_keys_named_by_what_they_became(tmp_path, tokenizer):
    rows = ["Frage;Antwort;system;id", *(f"Wer {n}?;Anna {n};Kurz.;{n}" for n in range(5))]
    (tmp_path / "faq.csv").write_text("\n".join(rows))
    columns = {"question": "frage", "answer": "Antwort"}
    data = make(tmp_path / "faq.csv", tokenizer, reading=ReadingSettings(columns=columns))
    text = inspection(data, examine(data), 1)
    assert "| format | records |\n|---|---|\n| question/answer | 5 |\n" in text
    assert "| `Antwort` | 5 | answer |\n| `Frage` | 5 | question |\n| `system` | 5 | system turn |\n| `id` |" in text


def test_a_split_that_only_repeats_others_is_said_to(write_task, tokenizer):
    same = {"question": "Who?", "answer": "Anna"}
    data = make(write_task(validation=[same], test=[same]), tokenizer)
    faults = examine(data).faults
    assert "1 records are in more than one split" in faults[0]
    assert "No record is left for the validation split" in faults[1]


def test_test_records_without_answers_are_noted(write_task, tokenizer):
    data = make(write_task(test=[{"question": "Why?"}]), tokenizer)
    found = examine(data)
    assert found.faults == ()
    assert "Note: 1 test records have no answer: `fit` and `predict` don't need one" in inspection(data, found, 1)


def test_special_tokens_that_may_stay_are_no_fault(write_task, tokenizer):
    data = make(write_task(train=["<|end|>"]), tokenizer, reading=ReadingSettings(on_special_token="text"))
    found = examine(data)
    assert (found.faults, found.problems) == ((), ())
    assert data.reading == ReadingSettings(on_special_token="text")
