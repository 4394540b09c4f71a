import pytest

from lightning_quicktune.data.records import FORMATS, format_advice, parse_record
from lightning_quicktune.data.turns import BadRecordError, Record, Turn


@pytest.mark.parametrize(
    "raw",
    [
        {"instruction": "Add.", "input": "1 + 1", "output": "2"},
        {"messages": [{"role": "user", "content": "Add.\n\n1 + 1"}, {"role": "assistant", "content": "2"}]},
        {"conversations": [{"from": "human", "value": "Add.\n\n1 + 1"}, {"from": "gpt", "value": "2"}]},
        {"prompt": "Add.\n\n1 + 1", "completion": "2"},
        {"context": "Add.", "question": "1 + 1", "answer": "2", "id": 7},
    ],
    ids=FORMATS,
)
def test_each_format_becomes_the_same_record(raw):
    assert parse_record(raw, "a.jsonl", 3) == Record(
        (Turn("user", "Add.\n\n1 + 1"), Turn("assistant", "2")), "a.jsonl", 3
    )


def test_conversations_keep_their_turns_and_a_system_text():
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "Ciao")]
    record = parse_record({"messages": [{"role": r, "content": c} for r, c in turns]}, "a.json", 1)
    assert [(turn.role, turn.content) for turn in record.turns] == turns
    assert record.question == "Be brief.\nHi\nHello\nBye"
    assert record.answer == "Ciao"
    assert record.where == "a.json:1"


def test_optional_parts_may_be_empty_null_or_absent():
    for extra in ({}, {"input": ""}, {"input": None}):
        assert parse_record({"instruction": "Go", "output": "on", **extra}, "a", 1).question == "Go"
    empty_system = [{"from": "system", "value": ""}, {"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
    assert [turn.role for turn in parse_record({"conversations": empty_system}, "a", 1).turns] == ["user", "assistant"]
    assert parse_record({"prompt": "Q", "completion": "A", "system": "S"}, "a", 1).turns[0] == Turn("system", "S")


def test_a_complete_format_wins_over_one_that_only_begins():
    assert parse_record({"prompt": "ignored", "question": "Q", "answer": "A"}, "a", 1).question == "Q"


USER, ASSISTANT = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([1], r"\[1\] is not an object"),
        ({"a": "b"}, "no known format"),
        ({"question": "Q"}, "no `answer`"),
        ({"question": "Q", "answer": " \n"}, "`answer` is empty"),
        ({"question": "Q", "answer": None}, "`answer` is null, not a text"),
        ({"question": "Q", "answer": 5}, "`answer` is 5, not a text"),
        ({"question": "Q", "answer": ["long" * 20]}, r"`answer` is \['long.*\.\.\., not a text"),
        ({"question": "Q", "answer": "A\ud83d"}, "`answer` has half a surrogate pair"),
        ({"instruction": "I", "input": 1, "output": "O"}, "`input` is 1, not a text"),
        ({"messages": []}, r"`messages` is \[\], not a list of turns"),
        ({"messages": "Q"}, "`messages` is 'Q', not a list of turns"),
        ({"messages": ["Q"]}, "turn 1 is 'Q', not an object"),
        ({"messages": [USER, {"role": "tool", "content": "x"}]}, "turn 2 has `role` 'tool', not one of system, user"),
        ({"messages": [USER, {"role": "assistant"}]}, "turn 2: no `content`"),
        ({"messages": {"role": "user"}}, r"`messages` is \{'role': 'user'\}, not a list of turns"),
        ({"messages": [None, ASSISTANT]}, "turn 1 is null, not an object"),
        ({"messages": [USER, {"role": 2, "content": "A"}]}, "turn 2 has `role` 2, not one of"),
        ({"messages": [USER, {"content": "A"}]}, "turn 2 has `role` null, not one of"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}, ASSISTANT]},
            r"turn 1: `content` is \[.*not a text",
        ),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "turn 2: `content` is null, not a text"),
        ({"conversations": [{"from": "human", "value": 1}]}, "turn 1: `value` is 1, not a text"),
        ({"question": None, "answer": "A"}, "`question` is null, not a text"),
        ({"question": "", "answer": "A"}, "`question` is empty"),
        ({"question": True, "answer": "A"}, "`question` is True, not a text"),
        ({"question": {"a": 1}, "answer": "A"}, r"`question` is \{'a': 1\}, not a text"),
        ({"question": b"Q", "answer": "A"}, "`question` is b'Q', not a text"),
        ({"messages": [USER, ASSISTANT, USER]}, "the last turn is not the assistant's"),
        ({"messages": [ASSISTANT]}, "no turn is the user's"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(raw, message):
    with pytest.raises(BadRecordError, match=message):
        parse_record(raw, "a.jsonl", 1)


def test_complaint_typos_the_nearest_format_is_named():
    advice = format_advice(["questions", "response", "answers"])
    assert "Keys of the first record: questions, response, answers." in advice
    assert "Nearest: question/answer, which needs `question` and `answer`." in advice
    assert "Keys of the first record: none." in format_advice([])
