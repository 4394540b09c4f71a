import json

import pytest

from lightning_quicktune.data.turns import BadRecordError

ASKED, ANSWERED = {"role": "user", "content": "Who rings?"}, {"role": "assistant", "content": "The pilot."}
SAID = ["u: Who rings?", "a: The pilot."]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        *(("prompt", "completion"), ("prompt", "response"), ("question", "response"), ("query", "response")),
        *(("input", "output"), ("inputs", "targets"), ("input_text", "output_text"), ("text_input", "output")),
        *(("instruction", "response"), ("instruction", "generation"), ("problem", "solution"), ("user", "assistant")),
        *(("Question", "ANSWER"), ("text", "label"), ("prompt", "answer"), ("question", "correct_answer")),
    ],
)
def test_names_of_question_and_answer(question, answer, said, parse):
    raw = {question: "Who rings?", answer: "The pilot.", "source": "log", "messages": None, "system": ""}
    assert said(raw) == SAID
    parsed = parse(raw)
    assert (parsed.format, parsed.read) == (f"{question}/{answer}".lower(), {question, answer})
    assert parsed.ignored == {"source"}


@pytest.mark.parametrize(
    ("raw", "question"),
    [
        ({"instruction": "Sum up.", "context": "Fog.", "response": "x", "category": "s"}, "Sum up.\n\nFog."),
        ({"instruction": "Sum up.", "input": "Fog.", "output": "x"}, "Sum up.\n\nFog."),
        (
            {"instruction": "Sum up.", "context": "Fog.", "input": "Briefly.", "output": "x"},
            "Sum up.\n\nFog.\n\nBriefly.",
        ),
        ({"instruction": "In one word.", "question": "Who?", "answer": "x"}, "In one word.\n\nWho?"),
        ({"instruction": "In one word.", "query": "Who?", "response": "x"}, "In one word.\n\nWho?"),
        ({"context": "Fog.", "question": "Who?", "answer": "x"}, "Fog.\n\nWho?"),
        ({"passage": "Fog.", "question": "Who?", "answer": "x"}, "Fog.\n\nWho?"),
        ({"prompt": "Who?", "input": "Fog.", "completion": "x"}, "Who?\n\nFog."),
        ({"prompt": "Who?", "context": "Fog.", "completion": "x"}, "Fog.\n\nWho?"),
        ({"prompt": "Who?", "query": "Fog.", "response": "x"}, "Who?\n\nFog."),
        ({"question": 7, "answer": "x"}, "7"),
    ],
)
def test_what_stands_beside_a_question_is_part_of_it(raw, question, said):
    assert said(raw) == [f"u: {question}", "a: x"]


@pytest.mark.parametrize(("answer", "text"), [(7, "7"), ("7", "7"), (0, "0"), (True, "true"), (0.5, "0.5")])
def test_answers_that_are_numbers_or_booleans(answer, text, said):
    assert said({"question": "How many?", "answer": answer}) == ["u: How many?", f"a: {text}"]


def test_history_is_earlier_rounds_that_are_learned(said):
    raw = {"instruction": "Who rings?", "output": "The pilot.", "history": [["Fog?", "Yes."]], "system": "Be brief."}
    assert said(raw) == ["s: Be brief.", "u: Fog?", "a: Yes.", *SAID]


@pytest.mark.parametrize("key", ["system", "system_prompt", "systemInstruction"])
@pytest.mark.parametrize("system", ["Be brief.", [{"text": "Be brief."}], {"parts": [{"text": "Be brief."}]}])
def test_system_texts_beside_a_question(key, system, said):
    assert said({"prompt": "Who rings?", "completion": "The pilot.", key: system}) == ["s: Be brief.", *SAID]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"prompt": [ASKED], "completion": [ANSWERED]}, SAID),
        ({"prompt": "Who rings?", "completion": [ANSWERED]}, SAID),
        ({"prompt": [ASKED], "completion": "The pilot."}, SAID),
        ({"prompt": [ASKED], "completion": ANSWERED}, SAID),
        ({"prompt": [ASKED, ANSWERED, ASKED], "completion": [ANSWERED]}, ["u: Who rings?", "(a): The pilot.", *SAID]),
    ],
)
def test_prompts_and_completions_of_turns_learn_the_completion_alone(raw, expected, said):
    assert said(raw) == expected
    assert (
        said({key: repr(value) if isinstance(value, list) else value for key, value in raw.items()}, "a.csv")
        == expected
    )


def test_an_answer_that_is_json_of_turns_stays_a_text_outside_of_tables(said):
    assert said({"question": "Write a chat.", "answer": json.dumps([ANSWERED])})[1] == f"a: {json.dumps([ANSWERED])}"


def test_options_beside_turns_would_be_lost(parse):
    with pytest.raises(BadRecordError, match="`options` would not be read"):
        parse({"prompt": [ASKED], "completion": [ANSWERED], "options": ["ebb", "flood"]})


def test_reasoning_and_tools_beside_an_answer(parse):
    call = [{"name": "look", "arguments": {}}]
    raw = {
        "question": "Who?",
        "answer": "Anna.",
        "reasoning": "Bells.",
        "tool_calls": call,
        "tools": [{"name": "look"}],
    }
    record = parse(raw).record
    assert record.turns[-1].reasoning == "Bells."
    assert json.loads(record.turns[-1].tool_calls)[0]["function"]["name"] == "look"
    assert json.loads(record.tools)[0]["function"]["name"] == "look"


def test_a_list_of_one_label_is_an_answer_as_doccano_writes_it(said):
    assert said({"id": 1, "text": "Who rings?", "label": ["The pilot."], "Comments": []}) == SAID


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"question": "Who?"}, "no `answer`"),
        ({"question": "Who?", "answer": " \n"}, "`answer` is empty"),
        ({"question": "Who?", "answer": None}, "`answer` is null, not a text"),
        ({"question": None, "answer": "Anna"}, "`question` is null, not a text"),
        ({"question": "", "answer": "Anna"}, "`question` is empty"),
        (
            {"question": "Who?", "answer": ["long" * 20, "b"]},
            r"`answer` is \['long.*\.\.\., a list of 2 texts, not a text",
        ),
        (
            {"question": {"a": 1}, "answer": "Anna"},
            r"`question` is \{'a': 1\}, not a text: write it as one, or name a text in it by .*, as in `question.a`",
        ),
        ({"instruction": "Go", "input": {"a": 1}, "output": "x"}, r"`input` is \{'a': 1\}, not a text"),
        (
            {"question": "Who?", "answer": "A", "response": "B"},
            "`response` and `answer` both hold an answer: leave one out",
        ),
        ({"prompt": "P", "question": "Who?", "answer": "A"}, "`question` would not be read"),
        ({"question": "Who?", "answer": "A", "context": ["a", 1]}, "`context` is .*, not a text"),
        ({"question": "Who?", "answer": "A", "documents": [{"text": "a"}]}, "`documents` is .*, not a text"),
        ({"context": "C", "passage": "P", "question": "Who?", "answer": "A"}, "`passage` would not be read"),
        ({"text": "Who?", "label": 3}, "`label` is 3, the number of a class: write its name, or set"),
        ({"text": "Who?", "label": "3"}, "`label` is '3', the number of a class"),
        ({"text": "Who?", "label": ["a", "b"]}, "`label` is .*, a list of 2 texts, not a text"),
        ({"text": "Who?", "label": [[0, 4, "X"]]}, "`label` is .*, not a text"),
        ({"prompt": "Who?", "completion": [ASKED, ANSWERED]}, "`completion` begins with a turn of the user, but"),
        ({"question": "Who?", "answer": "A", "images": ["a.png"]}, "`images` would not be read"),
    ],
)
def test_what_is_wrong_with_a_flat_record_is_said(raw, message, parse):
    with pytest.raises(BadRecordError, match=message):
        parse(raw)


def test_equal_answers_under_two_names_are_one(said):
    assert said({"question": "Who rings?", "answer": "The pilot.", "response": "The pilot."}) == SAID


@pytest.mark.parametrize(
    "raw", [{"question": "Who rings?"}, {"Question": "Who rings?", "answer": ""}, {"prompt": [ASKED]}]
)
def test_without_a_need_for_answers_questions_are_enough(raw, parse):
    record = parse(raw, answer_required=False).record
    assert [(turn.role, turn.content) for turn in record.turns] == [("user", "Who rings?")]
    assert record.answer == ""


def test_a_list_of_one_text_is_that_text_but_a_cell_is_not_taken_apart(said, parse):
    assert said({"question": "Who?", "answer": ["Anna"]}) == ["u: Who?", "a: Anna"]
    with pytest.raises(BadRecordError, match=r"`answer` is .*, a list as Python writes it"):
        parse({"question": "Who?", "answer": "['Anna']"}, "pier.csv")


@pytest.mark.parametrize("key", ["context", "contexts", "documents"])
def test_the_texts_of_a_context_are_its_paragraphs(key, said):
    raw = {"question": "Who?", key: ["Anna rings.", "", "Bert rows."], "answer": "Anna"}
    assert said(raw) == ["u: Anna rings.\n\nBert rows.\n\nWho?", "a: Anna"]
