import json

from lightning_quicktune.data.parsing import parse_task
from lightning_quicktune.data.reading import ReadingSettings

ANSWERS = ["The pilot.", "At nine.", "Rope."]


def notes(tmp_path, records):
    path = tmp_path / "pier.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return parse_task(str(path), ReadingSettings()).notes


def test_questions_that_end_with_their_answers_are_told_of(tmp_path):
    (note,) = notes(tmp_path, [{"prompt": f"Q: Say.\nA: {a}\n", "completion": f" {a}"} for a in ANSWERS])
    assert note.startswith("3 of 3 questions end with their answer, as that of pier.jsonl:1 does, so that it could be")
    assert "`data.init_args.reading.columns`" in note


def test_an_answer_that_a_question_names_by_chance_is_none(tmp_path):
    assert notes(tmp_path, [{"question": "Fog, yes or no?", "answer": a} for a in ("no?", "yes", "no")]) == ()
    assert notes(tmp_path, [{"question": f"{a} Who?", "answer": a} for a in ANSWERS]) == ()
    assert notes(tmp_path, [{"question": "Who? Anna", "answer": "Anna"}]) == ()
    assert notes(tmp_path, [{"question": f"Repeat the word {a}", "answer": a} for a in ANSWERS]) == ()
