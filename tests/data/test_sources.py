from pathlib import Path

import datasets
import pytest

from lightning_quicktune.data.sources import SPLITS, content_digest, read_parts


def test_missing_and_ambiguous_splits_are_errors(write_task):
    folder = write_task()
    (folder / "train.csv").write_text("question,answer\na,b\n")
    with pytest.raises(ValueError, match=r"train split is there twice: train\.jsonl and train\.csv .*Remove one"):
        read_parts(str(folder))
    (folder / "train.csv").unlink()
    (folder / "validation.jsonl").rename(folder / "dev.jsonl")
    message = r"The validation split is missing: .* holds dev\.jsonl, test\.jsonl, train\.jsonl, but .*Add or rename"
    with pytest.raises(FileNotFoundError, match=message):
        read_parts(str(folder))


def test_a_wrong_path_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Nothing is at `.*none`.* Correct `data\.init_args\.path`"):
        read_parts(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"Nothing is at `none\.jsonl`"):
        read_parts("none.jsonl")


@pytest.mark.parametrize("method", ["is_dir", "exists"])
def test_a_folder_that_may_not_be_entered_is_an_error(write_task, monkeypatch, method):
    path = str(write_task())

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, refuse)
    for read in (read_parts, content_digest):
        with pytest.raises(ValueError, match=r"task` can't be read: Permission denied\. .*`data\.init_args\.path`"):
            read(path)


def public(monkeypatch, **sizes):
    rows = {
        name: datasets.Dataset.from_list([{"question": f"{name}{i}", "answer": "a"} for i in range(size)])
        for name, size in sizes.items()
    }
    monkeypatch.setattr(datasets, "load_dataset", lambda path: datasets.DatasetDict(rows))


def test_public_datasets_are_loaded_by_id(monkeypatch):
    public(monkeypatch, test=1, train=3, validation=2)
    parts = read_parts("org/name")
    assert [len(parts[name]) for name in SPLITS] == [3, 2, 1]
    assert (parts["train"][2].file, parts["train"][2].line) == ("org/name/train", 3)
    public(monkeypatch, train=20)
    assert {name: len(rows) for name, rows in read_parts("org/name").items()} == {"train": 20}
    public(monkeypatch, train=20, test=3)
    with pytest.raises(ValueError, match=r"has the splits train, test, but validation is needed too\. Save it"):
        read_parts("org/name")


def test_a_public_dataset_that_cannot_be_loaded(monkeypatch):
    def fail(path):
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(
        FileNotFoundError, match=r"neither a folder nor a file .*\(ConnectionError: no route\)\. Correct"
    ):
        read_parts("org/name")


def test_the_digest_follows_the_content(write_task):
    path = str(write_task(train=["a"]))
    before = content_digest(path)
    assert content_digest(path) == before
    write_task(train=["b"])
    assert content_digest(path) != before
    assert content_digest("org/name") != content_digest("org/other")
