import pytest

from lightning_quicktune.data.duplicates import shared_questions, warn_of_shared_questions, without_duplicates
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.turns import Record, Turn


def split(*pairs):
    return [Record((Turn("user", q), Turn("assistant", a)), "a.jsonl", n) for n, (q, a) in enumerate(pairs, start=1)]


RECORDS = {
    "train": split("qa", "qa", "qb", "qc", "rx"),
    "validation": split("qa", "qb", "vv"),
    "test": split("qb", "rz"),
}


def answers(splits):
    return {name: [record.answer for record in records] for name, records in splits.items()}


def test_duplicates_across_splits_are_an_error():
    message = r"4 records are in more than one split: 3 of train .* 1 of validation .*on_duplicate: drop` .* or `keep`"
    with pytest.raises(ValueError, match=message):
        without_duplicates(RECORDS, ReadingSettings())


def test_duplicates_are_dropped_from_the_earlier_split():
    with pytest.warns(UserWarning, match="They are dropped from the earlier split"):
        kept, n_duplicates = without_duplicates(RECORDS, ReadingSettings(on_duplicate="drop"))
    assert answers(kept) == {"train": ["c", "x"], "validation": ["a", "v"], "test": ["b", "z"]}
    assert n_duplicates == 4


def test_duplicates_can_be_kept():
    assert without_duplicates(RECORDS, ReadingSettings(on_duplicate="keep")) == (RECORDS, 0)


def test_questions_with_another_answer_in_a_later_split_are_counted():
    # of train qc and rx, of validation qa: equal records are duplicates, not shared questions
    assert shared_questions(RECORDS) == {"train": 2, "validation": 1}
    with pytest.warns(UserWarning, match=r"3 records ask a question .* 2 of train, 1 of validation\. .*into one file"):
        warn_of_shared_questions({"train": 2, "validation": 1})


def test_different_questions_are_no_reason_to_warn():
    different = {"train": split("aa"), "validation": split("ba"), "test": split("ca")}
    assert shared_questions(different) == {"train": 0, "validation": 0}
    warn_of_shared_questions({"train": 0, "validation": 0})
