import json

import pytest

from lightning_quicktune.data.parsing import parse_task
from lightning_quicktune.data.reading import ReadingSettings

LINES = ["Herring is cheap again", "The old lamp failed", "Boats stay in port", "A new quay opens"]


def notes(tmp_path, records, **settings):
    path = tmp_path / "news.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return parse_task(str(path), ReadingSettings(**settings)).notes


def news(key, values=LINES, **more):
    return [{key: value, "text": f"Item {n}.", "label": "sea", **more} for n, value in enumerate(values)]


@pytest.mark.parametrize("key", ["title", "Subject", "topic", "_heading", "based_on"])
def test_texts_of_their_own_under_a_key_that_commonly_says_nothing_are_told_of(tmp_path, key):
    (note,) = notes(tmp_path, news(key))
    assert note.startswith(f"`{key}` is not read, though it holds 4 different texts, such as 'Herring is cheap again'")
    assert f"`data.init_args.reading.columns: {{context: {key}}}`" in note
    assert notes(tmp_path, news(key), ignore=[key]) == ()
    assert notes(tmp_path, news(key), columns={"context": key}) == ()


def test_texts_within_objects_are_told_of_too(tmp_path):
    (note,) = notes(tmp_path, news("metadata", [{"n": n, "body": line} for n, line in enumerate(LINES)]))
    assert note.startswith("`metadata` is not read, though it holds 4 different texts")


@pytest.mark.parametrize(
    "records",
    [
        news("title", LINES[:1] * 4),  # one for all
        news("title", [LINES[0], None, "", None]),
        news("topic", ["sea", "port", "fish", "fog"]),
        news("author", ["Anna van der Meer", "Bo van der Berg", "Cy van der Laan", "Di van der Lee"]),
        news("created_at", [f"Monday the first of May, 1{n}:30" for n in range(4)]),
        news("title", context="Fog at sea."),  # of the context, as SQuAD has it
        [{"title": line, "text": f"{line}. And so on.", "label": "sea"} for line in LINES],
    ],
)
def test_what_says_nothing_new_is_not_told_of(tmp_path, records):
    assert notes(tmp_path, records) == ()


def test_messages_and_exports_are_counted_by_the_keys_of_their_files(tmp_path):
    chat = [{"role": "user", "content": "Who rings?"}, {"role": "assistant", "content": "The pilot."}]
    assert len(notes(tmp_path, [{"messages": chat, "topic": line} for line in LINES])) == 1
    assert notes(tmp_path, [chat] * 4) == ()
