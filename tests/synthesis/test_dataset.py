import json

from lightning_quicktune.synthesis.answers import Pair, normalized
from lightning_quicktune.synthesis.dataset import split_pairs, write_task


def pairs_of(fact: str) -> list[Pair]:
    return [Pair(f"{fact} {i}?", fact) for i in range(12)]


def test_every_fact_is_in_every_split_in_other_words():
    splits, n_repeated = split_pairs([pairs_of(fact) for fact in "abc"], seed=0)
    assert n_repeated == 0
    assert {name: len(pairs) for name, pairs in splits.items()} == {"train": 30, "validation": 3, "test": 3}
    assert all({pair.answer for pair in pairs} == set("abc") for pairs in splits.values())
    assert len({pair.question for pairs in splits.values() for pair in pairs}) == 36


def test_the_seed_decides_what_is_held_out():
    facts = [pairs_of(fact) for fact in "abcdef"]
    assert split_pairs(facts, seed=1) == split_pairs(facts, seed=1)
    assert set(split_pairs(facts, seed=1)[0]["test"]) != set(split_pairs(facts, seed=2)[0]["test"])


def test_no_question_is_in_two_splits():
    same = [Pair(pair.question.upper(), "other") for pair in pairs_of("a")]
    splits, n_repeated = split_pairs([pairs_of("a"), same], seed=0)
    questions = [normalized(pair.question) for pairs in splits.values() for pair in pairs]
    assert len(questions) == len(set(questions)) == 12
    assert n_repeated == 12


def test_records_are_written_as_questions_and_answers(tmp_path):
    write_task(tmp_path, {"train": [Pair("Wo?", "Köln")], "test": []})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.jsonl", "train.jsonl"]
    text = (tmp_path / "train.jsonl").read_text(encoding="utf-8")
    assert text == '{"question": "Wo?", "answer": "Köln"}\n'
    assert json.loads(text) == {"question": "Wo?", "answer": "Köln"}
