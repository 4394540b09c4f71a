import fnmatch
import json
from types import SimpleNamespace

import datasets
import huggingface_hub
import pytest

from lightning_quicktune.data import hub
from lightning_quicktune.data.sources import content_digest, read_parts


def lines(tag, n=3):
    return "".join(json.dumps({"question": f"{tag}{i}?", "answer": f"{i}"}) + "\n" for i in range(n))


@pytest.fixture
def public(tmp_path, monkeypatch):
    """Puts files on a hub of our own; returns what was fetched from it."""
    hub.fetch.cache_clear()

    def publish(files, online=True):
        fetched = []

        class Api:
            def dataset_info(self, hub_id, timeout):
                assert timeout <= 10
                if not online:
                    raise ConnectionError("no route")
                return SimpleNamespace(sha="abc", siblings=[SimpleNamespace(rfilename=name) for name in files])

        def snapshot_download(hub_id, repo_type, revision=None, allow_patterns=None, local_files_only=False):
            assert repo_type == "dataset"
            folder = tmp_path / "snapshots" / hub_id
            if local_files_only:
                if not folder.is_dir():
                    raise FileNotFoundError("nothing was fetched before")
                return str(folder)
            assert revision == "abc"
            for name, content in files.items():
                if any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns):
                    fetched.append(name)
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_text(content)
            return str(folder)

        monkeypatch.setattr(huggingface_hub, "HfApi", Api)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        return fetched

    yield publish
    hub.fetch.cache_clear()


def sizes(parts):
    return {name: len(rows) for name, rows in parts.rows.items()}


def test_files_of_a_public_dataset_are_read_like_a_folder(public):
    mixed = '{"question": "q", "answer": "2024-05-02"}\n{"question": "r", "answer": 7}\n'
    fetched = public({"data/train.jsonl": mixed, "dev.jsonl": lines("v"), "big.bin": "0", "test.jsonl": lines("t", 2)})
    parts = read_parts("org/tides")
    assert sizes(parts) == {"train": 2, "validation": 3, "test": 2}
    assert [row.value["answer"] for row in parts.rows["train"]] == ["2024-05-02", 7]
    assert (parts.rows["train"][1].file, parts.rows["train"][1].line) == ("data/train.jsonl", 2)
    assert sorted(set(fetched)) == ["data/train.jsonl", "dev.jsonl", "test.jsonl"]


def test_it_is_fetched_once_and_its_digest_follows_the_content(public):
    fetched = public({"train.jsonl": lines("q")})
    before = content_digest("tides")
    read_parts("tides")
    assert fetched == ["train.jsonl"]
    hub.fetch.cache_clear()
    public({"train.jsonl": lines("r")})
    assert content_digest("tides") != before


def test_only_the_files_of_the_subset_are_fetched(public):
    fetched = public({"en/train.jsonl": lines("q"), "de/train[1].jsonl": lines("q", 2), "de/test.jsonl": lines("t")})
    with pytest.raises(ValueError, match=r"`org/tides` holds 2 subsets: en, de\. .*`data\.init_args\.reading\.subset`"):
        read_parts("org/tides")
    assert sizes(read_parts("org/tides", "de")) == {"train": 2, "test": 3}
    assert sorted(fetched) == ["de/test.jsonl", "de/train[1].jsonl"]


def test_the_card_is_respected(public):
    text = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: raw/a.jsonl}\n---\n"
    public({"README.md": text, "raw/a.jsonl": lines("q", 5), "raw/b.jsonl": lines("r")})
    assert sizes(read_parts("org/tides")) == {"train": 5}


def test_what_was_fetched_before_is_read_without_the_hub(public):
    files = {"train.jsonl": lines("q")}
    public(files)
    read_parts("org/tides")
    hub.fetch.cache_clear()
    public(files, online=False)
    assert sizes(read_parts("org/tides")) == {"train": 3}
    message = r"`org/other` is neither a folder nor a file in `/.*`, and .*\(ConnectionError: no route\)\. Correct"
    with pytest.raises(FileNotFoundError, match=message):
        read_parts("org/other")


def test_a_failing_download_is_an_error(public, monkeypatch):
    public({"train.jsonl": lines("q")})

    def fail(*args, **kwargs):
        raise ConnectionError("cut off")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(
        FileNotFoundError, match=r"could not be loaded as a public dataset .*\(ConnectionError: cut off\)"
    ):
        read_parts("org/tides")


def test_a_dataset_without_training_records_is_an_error(public):
    public({"test.jsonl": lines("t")})
    with pytest.raises(FileNotFoundError, match=r"train split is missing: `org/tides` holds test\.jsonl"):
        read_parts("org/tides")


def test_scripts_are_refused(public):
    public({"tides.py": "import os", "README.md": ""})
    with pytest.raises(ValueError, match=r"`org/tides` is loaded by a script .* isn't run\. Save it as a folder"):
        read_parts("org/tides")


def other(monkeypatch, **rows):
    features = datasets.Features(
        {"question": datasets.Value("string"), "answer": datasets.ClassLabel(names=["a", "b"])}
    )
    loaded = {name: datasets.Dataset.from_list(part, features=features) for name, part in rows.items()}
    monkeypatch.setattr(datasets, "load_dataset", lambda hub_id, subset: datasets.DatasetDict(loaded))


def test_what_only_datasets_can_read_is_loaded_by_it(public, monkeypatch):
    public({"all.tar": ""})
    row = {"question": "q", "answer": 1}
    other(monkeypatch, test=[row], train=[row] * 3, valid=[row] * 2)
    parts = read_parts("org/tides")
    assert list(sizes(parts).items()) == [("train", 3), ("validation", 2), ("test", 1)]
    assert parts.rows["train"][2] == ("org/tides/train", 3, {"question": "q", "answer": "b"}, None)
    assert content_digest("org/tides") != content_digest("org/others")
    other(monkeypatch, all=[row])
    assert sizes(read_parts("org/tides")) == {"train": 1}


def test_splits_of_other_names_are_an_error(public, monkeypatch):
    public({"all.tar": ""})
    row = {"question": "q", "answer": 1}
    other(monkeypatch, train=[row], easy=[row])
    with pytest.raises(ValueError, match=r"`org/tides` has the splits train, easy, but each must be one of .*Save it"):
        read_parts("org/tides")
    other(monkeypatch, test=[row])
    with pytest.raises(FileNotFoundError, match=r"train split is missing: `org/tides` has test alone\. Add one"):
        read_parts("org/tides")

    def fail(hub_id, subset):
        raise OSError("what is this?")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(FileNotFoundError, match=r"neither a folder nor a file .*\(OSError: what is this\?\)\. Correct"):
        read_parts("org/tides")


@pytest.mark.parametrize("path", ["tides", "org/tides", "Org.2/tides_v1.0-en"])
def test_forms_of_hub_ids(path):
    assert hub.is_hub_id(path)


@pytest.mark.parametrize(
    "path",
    [
        "none.jsonl",
        "org/none.csv.gz",
        "./tides",
        "/tides",
        "~/tides",
        "a/b/c",
        "a b",
        "C:\\tides",
        "a..b",
        "a--b",
        "tests/none",
    ],
)
def test_other_paths_are_never_asked_of_the_hub(path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    assert not hub.is_hub_id(path)
    with pytest.raises(FileNotFoundError, match=r"Nothing is at `.*, but records should be"):
        read_parts(path)


@pytest.mark.parametrize("path", ["hf://datasets/org/tides", "https://huggingface.co/datasets/org/tides/tree/main"])
def test_addresses_of_the_hub_are_no_ids(path):
    with pytest.raises(FileNotFoundError, match=r"is an address, .*Set `data\.init_args\.path` to org/tides\."):
        read_parts(path)
