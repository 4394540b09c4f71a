import pytest

from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.wanted import UnwantedRecordError

SAID = ["u: Who rings?", "a: The pilot."]
PRODIGY = {"_input_hash": 7, "_task_hash": -7, "_view_id": "text_input", "_timestamp": 1700000000}
WRITTEN = {"question": "Who rings?", "response": "The pilot."}
CHOICE = {"text": "Who rings?", "options": [{"id": "p", "text": "The pilot."}, {"id": "n", "text": "Nobody."}]}


@pytest.mark.parametrize(
    "raw",
    [
        {**WRITTEN, "answer": "accept"},
        {"prompt": "Who rings?", "user_input": "The pilot.", "field_id": "user_input", "answer": "accept"},
        {"text": "Who rings?", "label": "The pilot.", "answer": "accept", "config": {"choice_style": "single"}},
    ],
)
def test_prodigy_keeps_what_was_written_apart_from_what_was_done(raw, said):
    assert said({**raw, **PRODIGY}) == SAID


def test_the_option_that_was_chosen_in_prodigy_is_the_answer(said, parse):
    raw = {**CHOICE, **PRODIGY, "answer": "accept"}
    assert said({**raw, "accept": ["p"]}) == ["u: Who rings?\n\np. The pilot.\nn. Nobody.", "a: The pilot."]
    for accept in ([], ["p", "n"], "p"):
        with pytest.raises(BadRecordError, match=r"`accept` is .*, but one option must be chosen to be the answer"):
            parse({**raw, "accept": accept})
    with pytest.raises(BadRecordError, match=r"`accept` is \['x'\], which names no option with a text"):
        parse({**raw, "accept": ["x"]})


@pytest.mark.parametrize("state", ["reject", "ignore"])
def test_what_was_rejected_in_prodigy_is_unwanted_whatever_the_settings(state, parse):
    for settings in ({}, {"ignore": ["answer"]}, {"columns": {"answer": "response"}}):
        with pytest.raises(
            UnwantedRecordError, match=f"marked as unwanted: `answer` is '{state}', what the annotator did"
        ):
            parse({**WRITTEN, **PRODIGY, "answer": state}, **settings)
    with pytest.raises(BadRecordError, match="`answer` is 'maybe', not one of Prodigy's accept, reject and ignore"):
        parse({**WRITTEN, **PRODIGY, "answer": "maybe"})
    with pytest.raises(BadRecordError, match="no known format"):
        parse({"text": "Who rings?", "spans": [{"label": "X"}], **PRODIGY, "answer": "accept"})


def test_columns_of_a_prodigy_export(said):
    raw = {"frage": "Who rings?", "antwort": "The pilot.", "answer": "accept", **PRODIGY}
    assert said(raw, columns={"question": "frage", "answer": "antwort"}) == SAID


def test_without_prodigys_marks_accept_is_an_answer(said):
    assert said({"question": "The offer?", "answer": "accept"}) == ["u: The offer?", "a: accept"]


@pytest.mark.parametrize("written", [WRITTEN, {"text": "Who rings?", "label": "The pilot."}])
def test_a_state_beside_an_answer_is_prodigys_even_if_its_marks_were_left_out(written, said, parse):
    assert said({**written, "answer": "accept"}) == SAID
    with pytest.raises(UnwantedRecordError, match="marked as unwanted: `answer` is 'reject'"):
        parse({**written, "answer": "reject"})
    with pytest.raises(BadRecordError, match="no `answer`"):
        parse({"question": "Who rings?", "answer": "accept", "_timestamp": 1700000000})


def test_prodigys_field_id_names_the_key_of_what_was_written(said):
    raw = {"text": "Who rings?", "Reply": "The pilot.", "field_id": "Reply", "answer": "accept"}
    assert said({**raw, **PRODIGY}) == SAID


COLUMNS = {"id": "r1", "question": "Who rings?", "answer.responses.users": ["u1"], "answer.suggestion": "Nobody."}


def test_argillas_submitted_response_is_the_answer(said):
    submitted = {"answer.responses": ["The pilot."], "answer.responses.status": ["submitted"]}
    assert said({**COLUMNS, **submitted, "status": "pending", "answer.suggestion.score": None}) == SAID
    both = {"answer.responses": ["Nobody.", "The pilot."], "answer.responses.status": ["discarded", "submitted"]}
    assert said({**COLUMNS, **both}) == SAID
    cells = {"answer.responses": "['The pilot.']", "answer.responses.status": "['submitted']"}
    assert said({**COLUMNS, **cells}, "a.csv") == SAID
    old = {"question": "Who rings?", "answer": [{"user_id": "u", "value": "The pilot.", "status": "submitted"}]}
    assert said({**old, "answer-suggestion": "Nobody.", "answer-suggestion-metadata": {"type": "model"}}) == SAID
    nested = {"fields": {"question": "Who rings?"}, "metadata": {"x": "y"}, "suggestions": {"answer": {"value": "No"}}}
    assert (
        said({**nested, "responses": {"answer": [{"value": "The pilot.", "user_id": "u"}]}, "status": "completed"})
        == SAID
    )
    users = [
        {"user_id": "u", "status": "discarded", "values": {"answer": {"value": "Nobody."}}},
        {"user_id": "v", "status": "submitted", "values": {"answer": {"value": "The pilot."}}},
    ]
    assert said({**nested, "responses": users}) == SAID


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"answer.responses": ["No."], "answer.responses.status": ["discarded"]},
            "responses in Argilla were discarded or",
        ),
        (
            {"answer.responses": ["No."], "answer.responses.status": ["draft"]},
            "responses in Argilla were discarded or draft",
        ),
        ({"answer.responses": None}, "the responses in Argilla are none"),
        (
            {"answer.responses": ["No."], "status": "pending"},
            "`answer` has a response, but Argilla's record is 'pending'",
        ),
    ],
)
def test_argillas_other_states_are_unwanted(raw, message, parse):
    with pytest.raises(UnwantedRecordError, match=f"marked as unwanted: .*{message}"):
        parse({**COLUMNS, **raw})


def test_responses_in_argilla_that_differ_are_refused(parse):
    two = {"answer.responses": ["The pilot.", "Nobody."], "answer.responses.status": ["submitted", "submitted"]}
    with pytest.raises(BadRecordError, match="`answer` has 2 responses that differ: keep the one that is meant"):
        parse({**COLUMNS, **two})
    with pytest.raises(BadRecordError, match=r"`answer.responses` has 2 values, but 1 states"):
        parse({**COLUMNS, **two, "answer.responses.status": ["submitted"]})


def result(text, kind="textarea", name="answer"):
    key = "text" if kind == "textarea" else "choices"
    return {"from_name": name, "to_name": "question", "type": kind, "value": {key: text}}


TASK = {"id": 1, "data": {"question": "Who rings?"}, "predictions": [{"result": [result(["Nobody."])]}], "drafts": []}


def test_label_studios_annotation_is_the_answer(said):
    done = {"result": [result(["The pilot."]), result(["Pier"], "choices", "topic")], "was_cancelled": False}
    assert said({**TASK, "annotations": [done]}) == SAID
    assert said({**TASK, "annotations": [done, {"result": [], "was_cancelled": True}, done]}) == SAID


def test_text_beside_what_a_tool_writes_is_not_lost(parse):
    done = [{"result": [result(["The pilot."])]}]
    assert parse({**TASK, "annotations": done, "file_upload": "a.json"}).record.answer == "The pilot."
    with pytest.raises(BadRecordError, match="`hint` would not be read"):
        parse({**TASK, "annotations": done, "hint": "Fog."})
    with pytest.raises(BadRecordError, match="`hint` would not be read"):
        parse({"fields": {"question": "Who?"}, "responses": {"answer": ["x"]}, "status": "completed", "hint": "Fog."})
    with pytest.raises(BadRecordError, match=r"`result` is \[3\], not a list of objects"):
        parse({**TASK, "annotations": [{"result": [3]}]})
    with pytest.raises(BadRecordError, match="`values` of a response is 'x', not an object"):
        parse({"fields": {"question": "Who?"}, "responses": [{"values": "x"}]})


@pytest.mark.parametrize(
    ("annotations", "error", "message"),
    [
        ([], UnwantedRecordError, "marked as unwanted: the task has no annotation in Label Studio"),
        ([{"result": [], "was_cancelled": True}], UnwantedRecordError, "the task was skipped in Label Studio"),
        ([{"result": [result(["a", "b"])]}], BadRecordError, "`answer` is .*: one text can be the answer, not several"),
        (
            [{"result": [result(["a"])]}, {"result": [result(["b"])]}],
            BadRecordError,
            "`annotations` hold 2 answers that differ",
        ),
        (
            [{"result": [{"type": "labels", "from_name": "l"}]}],
            BadRecordError,
            "a result of type 'labels' .`l`., and only",
        ),
    ],
)
def test_label_studios_other_tasks_are_refused(annotations, error, message, parse):
    with pytest.raises(error, match=message):
        parse({**TASK, "annotations": annotations})


@pytest.mark.parametrize("file", ["a.json", "a.csv"])
def test_label_studios_drafts_are_unwanted(file, parse, said):
    flat = {
        "id": 1,
        "question": "Who rings?",
        "answer": "The pilot.",
        "annotator": 1,
        "lead_time": 2.5,
        "created_at": "x",
    }
    assert said({**flat, "annotation_id": 7}, file) == SAID
    with pytest.raises(
        UnwantedRecordError, match=r"`annotation_id` is .*, a draft that nobody submitted in Label Studio"
    ):
        parse({**flat, "annotation_id": "" if file == "a.csv" else None}, file)
    with pytest.raises(UnwantedRecordError, match=r"ignore: \[Annotation_ID\]"):
        parse({"question": "Who rings?", "answer": "The pilot.", "Annotation_ID": None}, file, ignore=["score"])
    assert said({**flat, "annotation_id": None}, file, ignore=["annotation_id"]) == SAID
    with pytest.raises(BadRecordError, match=r"`answer` is .*, an annotation tool's object"):
        parse(
            {**flat, "annotation_id": 7, "answer": '{"text":["a","b"]}' if file == "a.csv" else {"text": ["a", "b"]}},
            file,
        )


ASKED = {"text": "Who rings?"}
CHOSEN = {"type": "choices", "from_name": "mood", "value": {"choices": ["calm"]}}


@pytest.mark.parametrize(
    "raw",
    [
        {"data": ASKED, "annotations": [{"result": [CHOSEN]}]},
        {"fields": ASKED, "status": "completed", "responses": {"mood": [{"value": "calm", "status": "submitted"}]}},
        {**ASKED, "mood.responses": ["calm"], "mood.responses.status": ["submitted"]},
    ],
)
def test_the_one_thing_that_was_annotated_is_the_answer_whatever_its_name(raw, said, parse):
    assert said(raw) == ["u: Who rings?", "a: calm"]
    assert "mood" in parse(raw).read
    assert said(raw, columns={"question": "text", "answer": "mood"}) == ["u: Who rings?", "a: calm"]


def test_what_was_annotated_beside_an_answer_is_not_taken_for_it(parse):
    raw = {"data": {"question": "Who rings?", "answer": "The pilot."}, "annotations": [{"result": [CHOSEN]}]}
    with pytest.raises(BadRecordError, match="`mood` would not be read"):
        parse(raw)
