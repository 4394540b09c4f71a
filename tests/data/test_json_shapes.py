import pytest

from lightning_quicktune.data.json_shapes import tables

ROWS = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(12)]
CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        {"data": ROWS},
        {"version": "1.0", "rows": ROWS},
        {"name": "The harbour", "description": "All of it.", "data": ROWS},
        {"name": "harbour", "meta": {"by": "x"}, "notes": [], "intents": ROWS},
        {"schema": {"fields": [{"name": "question"}]}, "data": ROWS},
        {"features": [{"name": "question"}], "rows": [{"row_idx": n, "row": row} for n, row in enumerate(ROWS)]},
        {"columns": ["question", "answer"], "index": list(range(12)), "data": [list(row.values()) for row in ROWS]},
        {key: {str(n): row[key] for n, row in enumerate(ROWS)} for key in ("question", "answer")},
        {key: [row[key] for row in ROWS] for key in ("question", "answer")},
        {str(n): row for n, row in enumerate(ROWS)},
    ],
)
def test_records_are_found_however_they_are_wrapped(document):
    assert tables(document) == {"": ROWS}


def test_splits_in_one_document_keep_their_names():
    assert tables({"train": ROWS, "Dev": {"data": ROWS[:2]}, "version": 2}) == {"train": ROWS, "Dev": ROWS[:2]}
    assert tables({"train": ROWS, "validation": [], "test": []}) == {"train": ROWS}


@pytest.mark.parametrize(
    "document",
    [
        ROWS[0],
        {"messages": CHAT},
        {"conversations": CHAT, "tools": [{"name": "tide"}]},
        {"prompt": CHAT[:1], "completion": CHAT[1:]},
        {"prompt": "q", "completion": "a", "evidence": [{"page": 1}]},
        {"Frage": "Wer da?", "Antwort": "Der Lotse.", "Belege": [{"Seite": 1}]},
        {"a": {"b": 1}},
        {"first": ROWS, "second": ROWS},
        {"id_1": ROWS[0], "id_2": ROWS[1]},
        {"question": ["q"], "answer": ["a", "b"]},
        {"question": {"0": "q"}, "answer": {"1": "a"}},
        {},
        "text",
        7,
    ],
)
def test_what_may_be_one_record_or_nothing_is_left_alone(document):
    assert tables(document) is None


def test_articles_of_squad_become_one_entry_per_question():
    answers = [{"text": "the pier", "answer_start": 4}, {"text": "pier", "answer_start": 8}]
    questions = [
        {"id": "1", "question": "Where?", "answers": answers, "is_impossible": False},
        {"id": "2", "question": "Who?", "answers": [], "is_impossible": True, "plausible_answers": answers[:1]},
    ]
    article = {"title": "Harbour", "paragraphs": [{"context": "At the pier.", "qas": questions}, {"context": "Empty."}]}
    assert tables({"version": "v2.0", "data": [article]}) == {
        "": [
            {
                "title": "Harbour",
                "context": "At the pier.",
                "id": "1",
                "question": "Where?",
                "answers": {"text": ["the pier", "pier"], "answer_start": [4, 8]},
                "is_impossible": False,
            },
            {
                "title": "Harbour",
                "context": "At the pier.",
                "id": "2",
                "question": "Who?",
                "answers": {"text": [], "answer_start": []},
                "is_impossible": True,
                "plausible_answers": answers[:1],
            },
        ]
    }
