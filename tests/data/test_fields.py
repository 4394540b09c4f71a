import pytest

from lightning_quicktune.data.fields import Fields, canonical, is_harmless
from lightning_quicktune.data.turns import BadRecordError


def test_keys_are_compared_without_case_and_blanks():
    assert [canonical(key) for key in ("Question", " QUESTION ID", "chat-history", 3)] == [
        "question",
        "question_id",
        "chat_history",
        "3",
    ]


@pytest.mark.parametrize(
    "key",
    ["id", "question_id", "created_at", "_task_hash", "n_words", "url", "split", "unnamed:_0", "problem_type", "kind"],
)
def test_keys_about_a_record_are_harmless(key):
    assert is_harmless(key)


@pytest.mark.parametrize("key", ["context", "system", "hint", "label", "weight", "choices", "rationale", "status"])
def test_keys_of_meaning_are_not(key):
    assert not is_harmless(key)


def test_absent_values_are_not_there_but_their_keys_are_known():
    fields = Fields({"question": "Who?", "answer": None, "choices": {"text": [], "label": []}})
    assert "question" in fields
    assert "choices" not in fields
    with pytest.raises(BadRecordError, match="`answer` is null, not a text"):
        fields.text("answer")
    with pytest.raises(BadRecordError, match="no `output`"):
        fields.text("output")


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        ({"hint": "rope"}, "`hint`"),
        ({"hint": ["", {"text": "rope"}], "Note": "x"}, "`hint`, `Note`"),
    ],
)
def test_text_that_nobody_read_is_refused_with_the_setting_that_leaves_it_out(raw, keys):
    fields = Fields({"question": "Who?", **raw})
    fields.text("question")
    ignore = rf"ignore: \[{keys.replace('`', '')}\]"
    with pytest.raises(
        BadRecordError, match=rf"turn 2: {keys} would not be read \(.*`data.init_args.reading.{ignore}`"
    ):
        fields.check_unread("turn 2: ")


def test_the_rest_is_counted_as_ignored():
    raw = {"question": "Who?", "id": "q7", "hint": "left out", "length": "12", "copy": "Who?", "n": 3, "null": None}
    fields = Fields(raw, ignore=["hint"])
    fields.text("question")
    fields.check_unread()
    assert fields.ignored == {"id", "hint", "length", "copy", "n"}


def test_a_record_written_out_as_one_text_is_a_copy_of_it():
    fields = Fields({"instruction": "Add.", "output": "2", "text": "### Do: Add.\n### So: 2"})
    for name in ("instruction", "output"):
        fields.text(name)
    fields.check_unread()
    fields = Fields({"instruction": "Add.", "text": "### Do: something else"})
    fields.text("instruction")
    with pytest.raises(BadRecordError, match="`text` would not be read"):
        fields.check_unread()


def test_turns_said_again_under_another_name_are_a_copy_whatever_the_roles_are_called():
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Anna."}]
    others = [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Anna."}]
    fields = Fields({"messages": turns, "conversations": others})
    fields.take("messages")
    fields.check_unread()
    fields = Fields({"messages": turns, "conversations": [*others, {"from": "human", "value": "Sure?"}]})
    fields.take("messages")
    with pytest.raises(BadRecordError, match="`conversations` would not be read"):
        fields.check_unread()


def test_what_stands_in_cells_for_a_missing_value_is_absent_there_alone():
    raw = {"input": "nan", "system": "<NA>", "answer": "nan"}
    fields = Fields(raw, cells=True)
    assert not any(name in fields for name in raw)
    with pytest.raises(BadRecordError, match="`answer` is 'nan', which is written where there is no value"):
        fields.text("answer")
    assert Fields(raw).text("answer") == "nan"


def test_structures_that_are_written_as_text_may_be_empty_texts_may_not():
    fields = Fields({"tools": "[]", "history": "null", "choices": " {} ", "answer": "[]"})
    assert [*fields.values] == ["answer"]


def test_of_two_keys_that_differ_in_case_the_exact_one_is_read():
    fields = Fields({"Question": "a", "question": "b"})
    assert fields.text("question") == "b"
    with pytest.raises(BadRecordError, match="`Question` would not be read"):
        fields.check_unread()
    assert Fields({"Question": "a", "question": ""}).text("question") == "a"
    assert "question" not in Fields({"Question": "a", "QUESTION": "b"})


def test_columns_map_keys_in_any_case_and_hide_the_datasets_own():
    columns = {"question": "Frage", "answer": "Antwort"}
    fields = Fields({"FRAGE": "Wer?", "Antwort": "Anna", "answer": "accept"}, columns=columns)
    assert (fields.text("question"), fields.text("answer")) == ("Wer?", "Anna")
    with pytest.raises(BadRecordError, match="`answer` would not be read"):
        fields.check_unread()
    fields = Fields({"Frage": " "}, columns=columns)
    with pytest.raises(BadRecordError, match="`Frage` is empty"):
        fields.text("question")
