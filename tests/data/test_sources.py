import json
import os
from pathlib import Path

import datasets
import pytest

from lightning_quicktune.data import sources
from lightning_quicktune.data.sources import content_digest, read_parts


def lines(tag, n=3):
    return "".join(json.dumps({"question": f"{tag}{i}?", "answer": f"{i}"}) + "\n" for i in range(n))


def test_shards_are_one_split_and_their_rows_say_where_they_stand(tmp_path):
    (tmp_path / "data").mkdir()
    for number, n in ((0, 3), (1, 0), (2, 2)):
        (tmp_path / "data" / f"train-{number:05}-of-00003.jsonl").write_text(lines(f"s{number}-", n))
    parts = read_parts(str(tmp_path))
    assert [(row.file, row.line) for row in parts.rows["train"]] == [
        *(("data/train-00000-of-00003.jsonl", line) for line in (1, 2, 3)),
        *(("data/train-00002-of-00003.jsonl", line) for line in (1, 2)),
    ]
    assert (parts.problems, parts.is_one_file, parts.unread) == ((), False, ())


def test_all_files_that_cannot_be_read_are_named_at_once(tmp_path):
    (tmp_path / "train.jsonl").write_bytes("q".encode("utf-16"))
    (tmp_path / "dev.json").write_text("[")
    (tmp_path / "test.csv").write_text("")
    parts = read_parts(str(tmp_path))
    assert [problem.split("` ")[1][:12] for problem in parts.problems] == [
        "isn't UTF-8:",
        "isn't JSON: ",
        "is empty: it",
    ]
    assert parts.rows == {"train": [], "validation": [], "test": []}


def test_files_that_no_name_gives_to_a_split_are_named(tmp_path):
    for name in ("train.jsonl", "extra.jsonl", "about.json"):
        (tmp_path / name).write_text(lines("q"))
    assert read_parts(str(tmp_path)).unread == ("extra.jsonl",)


def test_folders_beside_those_of_the_splits_are_named(tmp_path):
    for folder in ("train", "unsupervised", "train/old"):
        (tmp_path / folder).mkdir()
    for name in ("train/a.jsonl", "unsupervised/a.jsonl", "unsupervised/b.jsonl"):
        (tmp_path / name).write_text(lines("q"))
    parts = read_parts(str(tmp_path))
    assert parts.unread == ("unsupervised/",)
    assert [row.file for row in parts.rows["train"]] == ["train/a.jsonl"] * 3


def test_subsets_that_are_not_meant_are_not_named(tmp_path):
    for folder in ("en", "de"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.jsonl").write_text(lines(folder))
    assert read_parts(str(tmp_path), "en").unread == ()


def test_one_document_may_hold_the_splits(tmp_path):
    path = tmp_path / "all.json"
    rows = [json.loads(line) for line in lines("q").splitlines()]
    path.write_text(json.dumps({"train": rows, "dev": rows[:1]}))
    assert {name: len(part) for name, part in read_parts(str(path)).rows.items()} == {"train": 3, "validation": 1}
    path.write_text(json.dumps({"train": rows, "dev": rows[:1], "val": rows[1:]}))
    with pytest.raises(
        ValueError, match=r"has the splits train, dev, val, but each must be one of .* only once\. Save"
    ):
        read_parts(str(path))
    path.write_text(json.dumps({"test": rows}))
    with pytest.raises(FileNotFoundError, match=r"train split is missing: `.*all\.json` has test alone"):
        read_parts(str(path))


def test_a_file_of_one_split_may_not_hold_others(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps({"train": [{"a": 1}], "test": [{"a": 1}]}))
    (tmp_path / "test.jsonl").write_text(lines("q"))
    (problem,) = read_parts(str(tmp_path)).problems
    assert "holds the splits train, test, but its name says that it is train. Keep one list in it" in problem


def test_a_file_of_one_split_may_name_it_inside_too(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps({"train": [{"a": 1}]}))
    (tmp_path / "dev.json").write_text(json.dumps({"validation": [{"a": 2}]}))
    assert {name: [row.value for row in rows] for name, rows in read_parts(str(tmp_path)).rows.items()} == {
        "train": [{"a": 1}],
        "validation": [{"a": 2}],
    }


def test_folders_of_save_to_disk_are_read_in_their_order(tmp_path):
    made = {name: [{"question": f"{name}{i}", "answer": "a"} for i in range(5)] for name in ("train", "validation")}
    saved = datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in made.items()})
    saved.save_to_disk(tmp_path / "both", num_shards={"train": 3, "validation": 1})
    (tmp_path / "both" / "train" / "cache-0f1e.arrow").write_bytes(b"of another time")
    parts = read_parts(str(tmp_path / "both"))
    assert {name: [row.value for row in rows] for name, rows in parts.rows.items()} == made
    saved["train"].save_to_disk(tmp_path / "one", num_shards=2)
    assert [row.value for row in read_parts(str(tmp_path / "one")).rows["train"]] == made["train"]
    before = content_digest(str(tmp_path / "one"))
    (tmp_path / "one" / "data-00001-of-00002.arrow").write_bytes(b"")
    assert content_digest(str(tmp_path / "one")) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_indices_files": [{"filename": "indices.arrow"}]}, r"order in a file of indices, .*`flatten_indices\(\)`"),
        ({"_data_files": [{"filename": "data-7.arrow"}]}, r"lacks data-7\.arrow, which its state\.json names\. Copy"),
        ({"_data_files": 3}, r"state\.json` isn't what `save_to_disk` writes: .*Save the dataset again"),
    ],
)
def test_other_saved_folders_are_refused(tmp_path, change, message):
    datasets.Dataset.from_list([{"question": "q", "answer": "a"}]).save_to_disk(tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({**state, **change}))
    with pytest.raises(ValueError, match=message):
        read_parts(str(tmp_path))


def test_a_wrong_path_is_an_error_that_says_where_it_was_looked_for(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"Nothing is at `/.*/none`, but .* Correct `data\.init_args\.path`"):
        read_parts(str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"Nothing is at `none\.jsonl` in `{tmp_path}`, but"):
        read_parts("none.jsonl")


def refuse(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(("place", "method"), [(Path, "is_dir"), (os, "scandir")])
def test_a_folder_that_may_not_be_entered_is_an_error(write_task, monkeypatch, place, method):
    path = str(write_task())
    monkeypatch.setattr(place, method, refuse)
    for read in (read_parts, content_digest):
        with pytest.raises(ValueError, match=r"task` can't be read: Permission denied\. .*`data\.init_args\.path`"):
            read(path)


def test_the_digest_of_a_file_that_may_not_be_read(write_task, monkeypatch):
    path = str(write_task())
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match=r"train\.jsonl` can't be read: Permission denied"):
        content_digest(path)


def test_the_digest_follows_the_content_of_all_files(write_task):
    path = str(write_task(train=["a"]))
    before = content_digest(path)
    assert content_digest(path) == before
    for split in ("train", "validation", "test"):
        write_task(**{split: ["b"]})
        assert content_digest(path) != before
        write_task()
    write_task(train=["b"])
    assert content_digest(path) != before


def test_a_file_that_has_settled_is_hashed_once(write_task, monkeypatch):
    path = write_task(train=["a"])
    monkeypatch.setattr(sources, "_SETTLED_S", -1.0)
    before = content_digest(str(path))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert content_digest(str(path)) == before
    write_task(train=["longer"])
    assert content_digest(str(path)) != before
