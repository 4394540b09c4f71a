import pytest

from lightning_quicktune.data.nested import first_nested, with_nested
from lightning_quicktune.data.turns import BadRecordError

PAIR = {"translation": {"de": "Wer läutet?", "en": "Who rings?"}}
MAPPED = {"question": "translation.de", "answer": "translation.en"}


def test_texts_within_objects_are_named_by_the_way_to_them(said, parse):
    assert said(PAIR, columns=MAPPED) == ["u: Wer läutet?", "a: Who rings?"]
    assert parse(PAIR, columns=MAPPED).read == {"translation.de", "translation.en"}
    deep = {"question": "Who rings?", "answer": {"value": {"text": "The pilot."}, "n": 1}}
    assert said(deep, columns={"answer": "answer.value.text"}) == ["u: Who rings?", "a: The pilot."]


def test_what_stands_beside_them_is_not_lost(parse, said):
    raw = {"translation": {**PAIR["translation"], "fr": "Qui sonne?"}}
    with pytest.raises(BadRecordError, match="`translation` would not be read"):
        parse(raw, columns=MAPPED)
    assert said(raw, columns=MAPPED, ignore=["translation"]) == ["u: Wer läutet?", "a: Who rings?"]


def test_a_key_that_has_a_dot_itself_comes_first_and_the_record_stays_as_it_is():
    raw = {"a.b": 1, "a": {"b": 2, "c": 3}}
    assert with_nested(raw, ["a.b", "a.c", "a.d", "x.y"]) == {"a.b": 1, "a": {"b": 2}, "a.c": 3}
    assert raw == {"a.b": 1, "a": {"b": 2, "c": 3}}


@pytest.mark.parametrize(
    ("raw", "name"),
    [({"n": 1, "a": {"n": 2, "b": {"c": "text"}}}, "a.b.c"), ({"a": {"b": ["text"]}}, None), ({"a": "text"}, None)],
)
def test_the_first_text_within_an_object(raw, name):
    assert first_nested(raw) == name


def test_a_record_of_objects_is_told_how_to_name_its_texts(parse):
    advice = r"`data.init_args.reading.columns: \{question: translation.de, answer: THEIRS\}`"
    with pytest.raises(BadRecordError, match=f"`translation` is an object, and .* are not looked for: name .*{advice}"):
        parse(PAIR)
    with pytest.raises(BadRecordError, match=r"`request` is an object, .* not looked for: move them to the record"):
        parse({"request": {"turns": [{"said": "text"}]}})
