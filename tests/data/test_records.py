import json

import pytest

from lightning_quicktune.data.records import Parsed, format_advice, parse_record
from lightning_quicktune.data.turns import BadRecordError, Record, Turn

ASKED, ANSWERED = {"role": "user", "content": "Add.\n\n1 + 1"}, {"role": "assistant", "content": "2"}


@pytest.mark.parametrize(
    ("raw", "format_", "read", "ignored"),
    [
        (
            {"instruction": "Add.", "input": "1 + 1", "output": "2"},
            "instruction/output",
            "instruction input output",
            "",
        ),
        ({"messages": [ASKED, ANSWERED], "id": 7}, "messages", "messages", "id"),
        (
            {
                "conversations": [{"from": "human", "value": "Add.\n\n1 + 1"}, {"from": "gpt", "value": 2}],
                "tools": None,
            },
            "conversations",
            "conversations",
            "",
        ),
        ({"conversations": [ASKED, ANSWERED]}, "conversations", "conversations", ""),
        (
            {"contents": [{"role": "user", "parts": [{"text": "Add.\n\n1 + 1"}]}, {"role": "model", "parts": ["2"]}]},
            "contents",
            "contents",
            "",
        ),
        (
            {"prompt": "Add.\n\n1 + 1", "completion": "2", "messages": None},
            "prompt/completion",
            "prompt completion",
            "",
        ),
        (
            {"context": "Add.", "question": "1 + 1", "answer": "2", "id": 7},
            "question/answer",
            "context question answer",
            "id",
        ),
        ({"Context": "Add.", "Question": "1 + 1", "Answer": 2}, "question/answer", "Context Question Answer", ""),
        (
            {"messages": [ASKED, ANSWERED], "prompt": "Add.\n\n1 + 1", "conversations": [ASKED]},
            "messages",
            "messages",
            "prompt conversations",
        ),
    ],
)
def test_each_format_becomes_the_same_record(raw, format_, read, ignored):
    record = Record((Turn("user", "Add.\n\n1 + 1"), Turn("assistant", "2")), "a.jsonl", 3)
    expected = Parsed(record, format_, frozenset(read.split()), frozenset(ignored.split()))
    assert parse_record(raw, "a.jsonl", 3) == expected


def test_conversations_keep_their_turns_and_a_system_text(said):
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "Ciao")]
    assert said({"messages": [{"role": r, "content": c} for r, c in turns]}) == [f"{r[0]}: {c}" for r, c in turns]


def test_several_system_texts_at_the_beginning_are_one_turn(said):
    systems = [{"role": "system", "content": "Be kind."}, {"role": "developer", "content": "Use English."}]
    raw = {"system": "Be brief.", "messages": [*systems, ASKED, ANSWERED]}
    assert said(raw)[0] == "s: Be brief.\n\nBe kind.\n\nUse English."
    assert said({**raw, "system": "Be kind."})[0] == "s: Be kind.\n\nUse English."
    later = [ASKED, ANSWERED, systems[0], ASKED, ANSWERED]
    assert [line[0] for line in said({"messages": later})] == ["u", "a", "s", "u", "a"]


def test_vertex_keeps_the_system_text_as_a_context(said, parse):
    chat = [{"author": "user", "content": "Who?"}, {"author": "bot", "content": "Anna."}]
    assert said({"context": "Be brief.", "messages": chat}) == ["s: Be brief.", "u: Who?", "a: Anna."]
    with pytest.raises(BadRecordError, match="`context` would not be read"):
        parse({"context": "Fog.", "messages": [ASKED, ANSWERED]})


def test_an_assistant_that_speaks_first_is_context(said):
    hello = {"role": "assistant", "content": "Hello."}
    assert said({"messages": [hello, ASKED, ANSWERED]}) == ["(a): Hello.", "u: Add.\n\n1 + 1", "a: 2"]


def test_two_turns_of_one_side_in_a_row_are_kept(said):
    assert [line[0] for line in said({"messages": [ASKED, ASKED, ANSWERED, ANSWERED]})] == ["u", "u", "a", "a"]


@pytest.mark.parametrize("key", ["tools", "functions"])
def test_tools_beside_turns(key, parse):
    tool = {"name": "add", "parameters": {"type": "object"}}
    assert json.loads(parse({"messages": [ASKED, ANSWERED], key: [tool]}).record.tools) == [
        {"type": "function", "function": tool}
    ]


def test_records_without_answers_where_none_are_needed(parse):
    record = parse({"messages": [ASKED, ANSWERED, ASKED]}, answer_required=False).record
    assert (record.turns[-1].role, record.answer) == ("user", "")
    blank = [ASKED, {"role": "assistant", "content": ""}]
    assert parse({"messages": blank}, answer_required=False).record.turns == (Turn("user", "Add.\n\n1 + 1"),)
    assert parse({"messages": [ASKED, ANSWERED]}, answer_required=False).record.answer == "2"


@pytest.mark.parametrize("file", ["a.csv", "a.TSV", "a.csv.gz"])
def test_cells_of_tables_with_structures_are_refused_and_turns_in_them_read(file, parse, said):
    for raw in ({"question": "Who?", "answer": "['a']"}, {"question": '{"text":["a"]}', "answer": "x"}):
        with pytest.raises(BadRecordError, match="rather than a text"):
            parse(raw, file)
    assert said({"messages": json.dumps([ASKED, ANSWERED]), "id": "7"}, file) == ["u: Add.\n\n1 + 1", "a: 2"]
    assert parse({"question": "Who?", "answer": "['a']"}, "a.jsonl").record.answer == "['a']"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([1], r"\[1\] is not an object"),
        ({"a": "b"}, "no known format"),
        ({"text": "b"}, "no known format: `text` is there, but not which part of it is the answer: write the two"),
        (
            {"text": "b", "tone": "c"},
            "`text` is there, .* the answer: name its key by `data.init_args.reading.columns: ",
        ),
        ({"translation": {"en": "a", "fr": "b"}}, "no known format: `translation` is an object, and the texts in it"),
        (
            {"instruction": "Translate.", "source": "sea", "target": "mer"},
            r"`source` beside `target` may be a part of the question or the .* origin: .*columns: \{input: source\}",
        ),
        ({"messages": []}, r"`messages` is \[\], not a list of turns"),
        ({"messages": "Q"}, "`messages` is 'Q', not a list of turns"),
        ({"messages": None}, "`messages` is null, not a list of turns"),
        ({"messages": [ASKED, ANSWERED, ASKED]}, "the last turn is not the assistant's"),
        ({"messages": [ANSWERED]}, "no turn is the user's"),
        ({"messages": [ASKED, ANSWERED], "tools": "{x"}, "`tools` is '{x', which isn't JSON"),
        ({"messages": [ASKED, ANSWERED], "input": "Fog."}, "`input` would not be read"),
        ({"question": "Who?", "answer": "Anna", "deep": json.loads("[" * 900 + "]" * 900)}, "nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(raw, message, parse):
    with pytest.raises(BadRecordError, match=message):
        parse(raw)


def test_a_column_that_is_not_there_is_named(parse, said):
    raw = {"Frage": "Wer?", "Antwort": "Anna."}
    assert said(raw, columns={"question": "Frage", "answer": "Antwort"}) == ["u: Wer?", "a: Anna."]
    message = "no `Frge`, which `data.init_args.reading.columns` names as `question`"
    with pytest.raises(BadRecordError, match=message):
        parse(raw, columns={"question": "Frge", "answer": "Antwort"})


def test_complaint_typos_the_nearest_format_is_named():
    advice = format_advice(["questions", "answr"])
    assert "Keys of the first record: questions, answr." in advice
    assert "Nearest: question/answer, which needs `question` and `answer`; other names are mapped by" in advice
    assert "Keys of the first record: none." in format_advice([])


def test_a_source_is_the_question_of_a_target_and_an_origin_elsewhere(said):
    assert said({"source": "sea", "target": "mer"}) == ["u: sea", "a: mer"]
    assert said({"source": "wiki", "question": "sea?", "answer": "mer"}) == ["u: sea?", "a: mer"]
    raw = {"instruction": "Translate.", "source": "sea", "target": "mer"}
    assert said(raw, columns={"input": "source"}) == ["u: Translate.\n\nsea", "a: mer"]


def test_a_record_may_be_a_list_of_turns_alone(parse, said):
    turns = [{"role": "user", "content": "Who rings?"}, {"role": "assistant", "content": "The pilot."}]
    assert said(turns) == ["u: Who rings?", "a: The pilot."]
    assert parse(turns).format == "messages"
    with pytest.raises(BadRecordError, match=r"is not an object with keys: write it as one, such as \{"):
        parse(["Who rings?", "The pilot."])
