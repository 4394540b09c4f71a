import pytest

from lightning_quicktune.data.turns import BadRecordError

ANGRY = ["u: Who rings?", "a: angry"]


@pytest.mark.parametrize(
    "raw",
    [
        {"text": "Who rings?", "label": 1, "label_text": "angry"},
        {"text": "Who rings?", "label": 1, "label_name": "angry", "label_text": None},
        {"text": "Who rings?", "Label": "1", "text_label": "angry"},
        {"text": "Who rings?", "target": 0, "target_name": "angry"},
        {"text": "Who rings?", "class": 0, "class_name": "angry"},
        {"question": "Who rings?", "label": 1, "label_text": "angry", "answer": "angry"},
    ],
)
def test_the_name_of_a_class_is_the_answer_and_not_its_number(raw, said):
    assert said(raw) == said(raw, "pier.csv") == ANGRY


def test_a_number_that_was_mapped_is_meant(said):
    raw = {"text": "Who rings?", "label": 1, "label_text": "angry"}
    columns = {"question": "text", "answer": "label"}
    assert said(raw, columns=columns, ignore=["label_text"])[-1] == "a: 1"
    assert said(raw, columns={"question": "text", "answer": "label_text"}) == ANGRY


def test_a_name_that_is_a_number_too_names_nothing(parse):
    with pytest.raises(BadRecordError, match="`label` is 1, the number of a class"):
        parse({"text": "Who rings?", "label": 1, "label_text": "1"})
