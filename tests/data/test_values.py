from decimal import Decimal

import pytest

from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.values import as_text, boolean, decoded, flag, is_absent, number, shown, texts_in


@pytest.mark.parametrize(
    "value", [None, "", " \n", [], {}, [None, ""], {"text": [], "label": None}, [{"a": {}}], float("nan")]
)
def test_null_blank_and_empty_are_absent_at_any_depth(value):
    assert is_absent(value)


@pytest.mark.parametrize("value", ["x", 0, False, 0.0, [0], {"a": [None, "x"]}])
def test_zero_and_false_are_there(value):
    assert not is_absent(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [("7", "7"), (7, "7"), (-0.5, "-0.5"), (1.0, "1.0"), (True, "true"), (False, "false"), (Decimal("1.50"), "1.50")],
)
def test_numbers_and_booleans_are_the_text_that_json_writes(value, text):
    assert as_text(value, "answer") == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "`k` is NaN, which is no text and no number"),
        (float("-inf"), "`k` is -Infinity, which is no text"),
        (" ", "`k` is empty"),
        (b"x", "`k` is b'x', not a text"),
        ({"a": 1}, r"`k` is \{'a': 1\}, not a text"),
        ({"text": ["rope", "a rope"]}, r"`k` is \{'text': .*an annotation tool's object, not a text: keep the one"),
        (["rope", "a rope"], "`k` is .*a list of 2 texts, not a text: keep the one text"),
        ("rope\ud800", "`k` has half a surrogate pair"),
    ],
)
def test_what_is_no_text_is_said(value, message):
    with pytest.raises(BadRecordError, match=message):
        as_text(value, "k")


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ('{"text": ["rope", "a rope"]}', "an annotation tool's object"),
        ('{"choices":["Sea"]}', "an annotation tool's object"),
        ('[{"start": 2, "end": 6, "text": "rope", "labels": ["X"]}]', "an annotation tool's object"),
        ('["rope", "cord"]', "a list of 2 texts"),
        ("['rope']", "a list as Python writes it"),
        ("['rope' 'cord']", "a list as Python writes it"),
        ("{'text': 'rope', 'start': None}", "a dict as Python writes it"),
        ("('rope', 2)", "a tuple as Python writes it"),
        ("array(['rope'], dtype=object)", "an array as NumPy writes it"),
        ("{'text': array(['rope'], dtype=object)}", "an array as NumPy writes it"),
        ('[["Sea", "Bay"]]', "a list of lists of texts"),
        ("{'rope', 'cord'}", "a set as Python writes it"),
        ("b'rope'", "a text's bytes as Python writes them"),
    ],
)
def test_structures_of_tools_in_cells_are_named(cell, found):
    with pytest.raises(BadRecordError, match=rf"`k` is .*{found} rather than a text: keep the one text that is meant"):
        as_text(cell, "k", cells=True)
    assert as_text(cell, "k") == cell


@pytest.mark.parametrize(
    "cell",
    [
        "[2, 3, 5]",
        "(1, 2)",
        "{1, 2}",
        "(see above)",
        "[sic] rope",
        "[unclear]",
        "[[1, 2]]",
        "b'",
        '{"name": "rope", "metres": 3}',
        "{x}",
    ],
)
def test_texts_in_brackets_and_json_on_purpose_stay_texts_in_cells(cell):
    assert as_text(cell, "k", cells=True) == cell


def test_booleans_flags_and_numbers_are_the_same_in_all_files():
    assert [boolean(value) for value in (True, "False", " true", 1, "yes", None)] == [
        True,
        False,
        True,
        None,
        None,
        None,
    ]
    assert [flag(value) for value in (False, "TRUE", 0, "1", 2, "x")] == [False, True, False, True, None, None]
    assert [number(value) for value in ("0.5", 2, True, "x", [], 10**400)] == [0.5, 2.0, None, None, None, None]


def test_texts_are_found_at_any_depth_and_numbers_and_dates_are_none():
    value = {"a": [{"b": " rope "}, 7, "7", "2024-05-02T10:00:00Z", "1.234,5 %", None, "true"], "c": ("cord",)}
    assert texts_in(value) == ["rope", "cord"]


def test_both_notations_are_decoded():
    assert decoded('[{"a": null}]') == decoded("[{'a': None}]") == [{"a": None}]
    assert decoded("[{'a': ") is None
    assert decoded("rope\\d") is None


def test_values_are_shown_cut():
    assert (shown(None), shown("x"), len(shown("x" * 99))) == ("null", "'x'", 40)
