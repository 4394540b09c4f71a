import pytest

from lightning_quicktune.data.multiple_choice import read_options
from lightning_quicktune.data.turns import BadRecordError

TIDES = ["ebb", "flood", "slack"]
LISTED = "A. ebb\nB. flood\nC. slack"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (TIDES, LISTED),
        (repr(TIDES), LISTED),
        ({"text": TIDES, "label": ["A", "B", "C"]}, LISTED),
        ({"text": TIDES, "label": ["1", "2", "3"]}, "1. ebb\n2. flood\n3. slack"),
        ([{"label": label, "text": text} for label, text in zip("ABC", TIDES, strict=True)], LISTED),
        ({"A": "ebb", "B": "flood", "C": "slack", "D": None}, LISTED),
        (["A) ebb", "B) flood", "C) slack"], "A) ebb\nB) flood\nC) slack"),
        ([3, 4.5], "A. 3\nB. 4.5"),
    ],
)
def test_possible_answers_are_a_lettered_list(value, text):
    assert read_options(value, "choices").text == text


def test_more_options_than_letters_are_numbered():
    assert read_options([f"berth {n}" for n in range(30)], "choices").lines[29] == "30. berth 29"


@pytest.mark.parametrize(
    ("given", "answer"), [("B", "B"), (1, "B"), ("1", "B"), (1.0, "B"), ("flood", "flood"), ("a tide", "a tide")]
)
def test_a_position_becomes_its_letter_and_all_else_stays(given, answer):
    assert read_options(TIDES, "choices").answer(given, "answer") == answer


def test_options_in_lines_are_shown_as_they_are():
    options = read_options("(A) ebb\n(B) flood", "options")
    assert options.text == "(A) ebb\n(B) flood"
    assert options.answer("B", "answer") == "B"
    with pytest.raises(BadRecordError, match="`answer` is 1, which is no position among 0 options"):
        options.answer(1, "answer")


def test_numbers_that_are_labels_or_texts_stay():
    assert read_options({"text": TIDES, "label": ["1", "2", "3"]}, "choices").answer(3, "answerKey") == "3"
    assert read_options(["6", "7", "8"], "choices").answer(7, "answer") == "7"
    assert read_options(["0", "1", "2"], "choices").answer(1, "answer") == "1"


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        (
            TIDES,
            3,
            "`answer` is 3, which is no position among 3 options, counted from 0: where they count from 1, write",
        ),
        (TIDES, -1, "`answer` is -1, which is no position"),
        (TIDES, 0.5, "`answer` is 0.5, which is no position"),
        (["1", "2", "3"], 1, "`answer` is 1, which may be the position of an option or the text of another"),
        (["B", "A"], "A", "`answer` is A, which is the label of an option and the text of another"),
        (TIDES, "F", "`answer` is F, but the options are A, B, C"),
    ],
)
def test_an_answer_that_may_mean_two_things_or_nothing_is_refused(options, given, message):
    with pytest.raises(BadRecordError, match=message):
        read_options(options, "choices").answer(given, "answer")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ebb or flood", "`choices` is 'ebb or flood', not a list of possible answers"),
        (["ebb"], r"`choices` is \['ebb'\], not a list of possible answers"),
        (7, "`choices` is 7, not a list"),
        ({"text": TIDES, "label": ["A", "B", "C"], "why": "fog"}, "`choices` is .*, not a list"),
        ([{"text": "ebb", "why": "fog"}, {"text": "flood"}], "`choices` is .*, not a list"),
        ({"text": TIDES, "label": ["A"]}, "`choices` is .*, not a list"),
        ([["ebb"], ["flood"]], "`choices` is .*, not a list"),
        ([{"label": "A"}, {"label": "B", "text": "x"}], "`choices` is .*, not a list"),
        ([{"label": "A", "text": "x"}, {"text": "y"}], "`choices` is .*, not a list"),
        ([{"message": {"content": "x"}}, {"message": {"content": "y"}}], "`choices` is .*, not a list"),
        ({"text": TIDES, "label": ["A", "A", "B"]}, "`choices` has the same label twice: A, A, B"),
        (["ebb", None], "`choices` is null, not a text"),
    ],
)
def test_other_forms_are_refused(value, message):
    with pytest.raises(BadRecordError, match=message):
        read_options(value, "choices")


@pytest.mark.parametrize(
    ("raw", "said_"),
    [
        ({"question": "Now?", "choices": TIDES, "answer": 1, "subject": "sea"}, ["u: Now?\n\n" + LISTED, "a: B"]),
        (
            {"question": "Now?", "choices": {"text": TIDES, "label": ["A", "B", "C"]}, "answerKey": "C", "id": "t"},
            ["u: Now?\n\n" + LISTED, "a: C"],
        ),
        ({"question": "Now?", "options": ["A)ebb", "B)flood"], "correct": "B"}, ["u: Now?\n\nA)ebb\nB)flood", "a: B"]),
        ({"question_stem": "Now?", "options": TIDES, "answer_key": "A"}, ["u: Now?\n\n" + LISTED, "a: A"]),
        (
            {
                "question": {
                    "stem": "Now?",
                    "choices": [{"text": t, "label": x} for x, t in zip("ABC", TIDES, strict=True)],
                },
                "answerKey": "B",
            },
            ["u: Now?\n\n" + LISTED, "a: B"],
        ),
        (
            {"article": "Fog.", "question": "Now?", "options": TIDES, "answer": "B"},
            ["u: Fog.\n\nNow?\n\n" + LISTED, "a: B"],
        ),
        (
            {"question": "Now?", "options": {"A": "ebb", "B": "flood"}, "answer": "flood", "answer_idx": "B"},
            ["u: Now?\n\nA. ebb\nB. flood", "a: flood"],
        ),
        ({"question": "Now?", "B": "flood", "A": "ebb", "answer": "B"}, ["u: Now?\n\nA. ebb\nB. flood", "a: B"]),
        ({"prompt": "Now?", "Option 1": "ebb", "Option 2": 7, "answer": "2"}, ["u: Now?\n\n1. ebb\n2. 7", "a: 2"]),
        (
            {"question": "Now?", "choice_a": "ebb", "choice_b": "flood", "correct_option": "A"},
            ["u: Now?\n\nA. ebb\nB. flood", "a: A"],
        ),
        (
            {"question": "Now?", "opa": "ebb", "opb": "flood", "answer": "flood"},
            ["u: Now?\n\nA. ebb\nB. flood", "a: flood"],
        ),
    ],
)
def test_options_are_part_of_the_question(raw, said_, said):
    assert said(raw) == said_


def test_a_label_without_options_is_no_answer(parse):
    with pytest.raises(BadRecordError, match="`answerKey` is 'C', the label of an option, but there are no `choices`"):
        parse({"question": "Now?", "answerKey": "C"})


def test_keys_of_letters_are_options_only_where_the_answer_is_one_of_them(parse, said):
    assert said({"question": "a + b?", "a": 3, "b": 4, "answer": 7}) == ["u: a + b?", "a: 7"]
    assert said({"question": "a + b?", "a": 3, "b": 4}, answer_required=False) == ["u: a + b?"]
    options = {"question": "Now?", "A": "ebb", "B": "flood"}
    assert said(options, answer_required=False) == ["u: Now?\n\nA. ebb\nB. flood"]
    for raw in ({**options, "answer": "slack"}, {"question": "Now?", "A": "ebb", "C": "flood", "answer": "A"}):
        with pytest.raises(BadRecordError, match=r"`A`, `[BC]` would not be read"):
            parse(raw)


def test_keys_of_options_are_said_to_be_read(parse):
    raw = {"question": "Now?", "A": "ebb", "B": "flood", "answer": "B"}
    assert parse(raw).read == set(raw)
