import pytest

from lightning_quicktune.data.cutting import cut, question_key
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.turns import Record, Turn

SETTINGS = ReadingSettings()


def record(question, answer="a", *, system=None):
    head = [Turn("system", system)] if system else []
    return Record((*head, Turn("user", question), Turn("assistant", answer)), "a.jsonl", 1)


def questions(split):
    return {question_key(record) for record in split}


@pytest.mark.parametrize("missing", [("validation", "test"), ("validation",), ("test",)])
@pytest.mark.parametrize("answers", [1, 3])
def test_a_question_stands_in_one_split_alone(missing, answers):
    records = [record(f"q{n}", f"a{k}") for n in range(40) for k in range(answers)]
    parts = cut("path", records, missing, SETTINGS)
    assert list(parts) == ["train", *missing]
    assert sum(len(part) for part in parts.values()) == len(records)
    for name in missing:
        assert len(parts[name]) == 4 * answers
    seen = [questions(part) for part in parts.values()]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 40


def test_the_seed_says_which():
    records = [record(f"q{n}") for n in range(40)]
    once, again = (cut("path", records, ("test",), SETTINGS) for _ in range(2))
    assert once == again != cut("path", records, ("test",), ReadingSettings(split_seed=1))
    larger = cut("path", records, ("test",), ReadingSettings(test_share=0.5))
    assert len(larger["test"]) == 20


def test_what_makes_the_same_question():
    assert question_key(record(" q\n", "a")) == question_key(record("q", "b"))
    assert question_key(record("q")) != question_key(record("Q"))
    assert question_key(record("q", system="s")) not in (
        question_key(record("q")),
        question_key(record("q", system="t")),
    )
    long = Record((Turn("user", "q"), Turn("assistant", "a"), Turn("user", "r"), Turn("assistant", "b")), "a", 1)
    assert question_key(long) == question_key(record("q"))
    greeting = Record((Turn("assistant", "Hello"), Turn("user", "q"), Turn("assistant", "a")), "a", 1)
    assert question_key(greeting) != question_key(record("q"))


@pytest.mark.parametrize(("missing", "n"), [(("validation", "test"), 2), (("test",), 1)])
def test_too_few_questions(missing, n):
    records = [record(f"q{k}", f"a{i}") for k in range(n) for i in range(5)]
    with pytest.raises(ValueError, match=rf"`path` holds {n} different questions, too few .*`data\.init_args\.path`"):
        cut("path", records, missing, SETTINGS)


def test_a_large_group_is_warned_of():
    records = [record(f"q{n}") for n in range(90)] + [record("the\nsame " * 20, str(n)) for n in range(6)]
    message = r"1 questions of `path` have more than 5% of its 96 records each; `the same .{50,54}` has 6\. .*uneven"
    with pytest.warns(UserWarning, match=message):
        cut("path", records, ("test",), SETTINGS)
