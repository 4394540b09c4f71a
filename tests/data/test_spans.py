import pytest

from lightning_quicktune.data.turns import BadRecordError

ASKED = {"id": "5f", "title": "Pier", "context": "The pier is 90 m long.", "question": "How long?"}
SAID = ["u: The pier is 90 m long.\n\nHow long?"]
SPANS = {"text": ["90 m", "is 90 m"], "answer_start": [12, 9]}
NO_SPANS = {"text": [], "answer_start": []}


@pytest.mark.parametrize(
    "answers",
    [
        {"answers": SPANS},
        {
            "answers": [{"text": "90 m", "answer_start": 12}, {"text": "is 90 m", "answer_start": 9}],
            "is_impossible": False,
        },
        {"answers": repr(SPANS)},
        {"answers": ["90 m"]},
        {"answers": ["90 m", "90 m"]},
        {"answers": {"text": "90 m", "answer_start": 12}},
    ],
)
def test_the_first_span_is_the_answer(answers, said):
    assert said({**ASKED, **answers}) == [*SAID, "a: 90 m"]


@pytest.mark.parametrize(
    "answers",
    [
        {"answers": NO_SPANS},
        {"answers": []},
        {"answers": None},
        {"answers": [], "is_impossible": True, "plausible_answers": [{"text": "90 m", "answer_start": 12}]},
        {"answers": SPANS, "is_impossible": True},
        {"answerable": False},
        {"answer": "", "is_impossible": "true"},
    ],
)
def test_a_question_without_an_answer_is_bad_or_answered_by_a_setting(answers, parse, said):
    with pytest.raises(BadRecordError, match=r"no answer in its context: set `data.init_args.reading.unanswerable`"):
        parse({**ASKED, **answers})
    assert said({**ASKED, **answers}, unanswerable="Not said.") == [*SAID, "a: Not said."]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["90 m", "ninety"], "`answers` is .*, which are 2 answers: keep the one that is meant"),
        (90, "`answers` is 90, not a list of answers"),
        ({"text": [["90 m"]]}, r"`answers` is \['90 m'\], a list of 1 texts, not a text"),
    ],
)
def test_answers_of_another_form_are_refused(answers, message, parse):
    with pytest.raises(BadRecordError, match=message):
        parse({**ASKED, "answers": answers})


@pytest.mark.parametrize("answers", ["90 m", "[90 m]", "1972", ["90 m"]])
def test_an_answer_that_is_a_text_is_never_taken_for_a_question_without_one(answers, said):
    raw = {"context": "The pier.", "question": "How long?", "answers": answers}
    text = answers if isinstance(answers, str) else answers[0]
    assert said(raw, unanswerable="Not said.")[-1] == f"a: {text}"


def test_answers_as_numpy_prints_them_into_cells_are_refused(parse):
    raw = {"question": "How long?", "answers": "{'text': array(['90 m'], dtype=object), 'answer_start': array([3])}"}
    with pytest.raises(BadRecordError, match=r"`answers` is .*, an array as NumPy writes it"):
        parse(raw, "pier.csv", unanswerable="Not said.")


@pytest.mark.parametrize("question", ["query", "prompt", "input", "text"])
def test_answers_go_with_any_question(question, said):
    assert said({question: "How long?", "answers": ["90 m"]}) == ["u: How long?", "a: 90 m"]
