import json

import pytest

from lightning_quicktune.synthesis.answers import (
    PAIRS_PER_FACT,
    MalformedAnswerError,
    Pair,
    facts_prompt,
    normalized,
    pairs_prompt,
    parse_facts,
    parse_pairs,
)

PAIRS = [{"question": f"Question {i}?", "answer": f"Answer {i}"} for i in range(PAIRS_PER_FACT)]


def test_prompts_hold_what_they_are_about_even_with_braces():
    assert "up to 7 facts" in facts_prompt("A {brace}.", 7)
    assert facts_prompt("A {brace}.", 7).endswith("A {brace}.")
    assert '{"question": "...", "answer": "..."}' in pairs_prompt("A fact.")


def test_facts_are_taken_once_and_no_more_than_asked_for():
    assert parse_facts('Sure: ["One  is one.", "one is one", "Two."] Done.', 10) == ["one is one", "Two."]
    assert parse_facts('["One.", "Two.", "Three."]', 2) == ["One.", "Two."]
    assert parse_facts("[]", 2) == []


@pytest.mark.parametrize("before", ["[Facts] ", "I list [as asked] them: ", "[[ ", "[1, "])
def test_a_bracket_that_begins_no_array_is_passed_over(before):
    assert parse_facts(f'{before}["One.", "Two."]', 10) == ["One.", "Two."]


@pytest.mark.parametrize("answer", ["", "None.", '["One.", ', '["One.", ""]', "[1, 2]"])
def test_unusable_facts_are_malformed(answer):
    with pytest.raises(MalformedAnswerError, match=r"no JSON array|is not a text"):
        parse_facts(answer, 10)


def test_the_first_twelve_usable_pairs_are_taken():
    extra = {"question": "More?", "answer": "Yes"}
    unusable = [{"question": " ", "answer": "a"}, {"question": "b"}, "c", {"question": "QUESTION 0", "answer": "d"}]
    found = parse_pairs(json.dumps([*unusable[:3], *PAIRS[:1], *unusable[3:], *PAIRS[1:], extra]))
    assert found == [Pair(pair["question"], pair["answer"]) for pair in PAIRS]


def test_a_number_is_an_answer():
    assert parse_pairs(json.dumps([{**pair, "answer": 1871} for pair in PAIRS]))[0].answer == "1871"


@pytest.mark.parametrize("change", [{"answer": " "}, {"question": "Question 1"}, {"answer": None}, {"answer": True}])
def test_one_unusable_pair_of_twelve_is_malformed(change):
    with pytest.raises(MalformedAnswerError, match="11 usable pairs of 12"):
        parse_pairs(json.dumps([{**PAIRS[0], **change}, *PAIRS[1:]]))


def test_punctuation_and_case_make_no_other_question():
    assert normalized("What's  Alphite?") == normalized("what s alphite")
    assert normalized("?!") == ""
