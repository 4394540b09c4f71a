import pytest

from lightning_quicktune.data.split_names import arrange, outer_folder, says_split, split_word


@pytest.mark.parametrize("word", ["train", "Training", "TRAIN_DATA", "trainset", "train-split"])
def test_words_for_training(word):
    assert split_word(word) == "train"


@pytest.mark.parametrize("word", ["dev", "Valid", "val", "VALIDATION", "eval", "evaluation", "development", "devset"])
def test_words_for_validation(word):
    assert split_word(word) == "validation"


@pytest.mark.parametrize("word", ["test", "Testing", "test data", "testset", "holdout", "Held-out", "held_out_set"])
def test_words_for_test(word):
    assert split_word(word) == "test"


@pytest.mark.parametrize("word", ["", "data", "trained", "contest", "latest", "devices", "valley", "set", "retrieval"])
def test_other_words(word):
    assert split_word(word) is None


@pytest.mark.parametrize(
    "names",
    [
        ["train.jsonl", "validation.jsonl", "test.jsonl"],
        ["Train.JSONL", "DEV.csv", "Test.parquet"],
        ["training.json", "valid.json", "testing.json"],
        ["harbour-train.jsonl", "harbour_val.jsonl", "harbour.test.jsonl"],
        ["train-v2.0.json", "dev-v2.0.json", "test-v2.0.json"],
        ["HarbourTrain.csv", "HarbourEval.csv", "HarbourTest.csv"],
        ["train_data.csv", "dev data.csv", "test-set.csv"],
        ["data/train.jsonl.gz", "data/dev.jsonl.gz", "data/test.jsonl.gz"],
        ["train/records.jsonl", "validation/records.jsonl", "test/records.jsonl"],
        ["data/train/0.parquet", "data/val/0.parquet", "data/test/0.parquet"],
    ],
)
def test_splits_are_found_by_the_words_in_names(names):
    found = arrange(names, "folder")
    assert found == {split: [name] for split, name in zip(("train", "validation", "test"), names, strict=True)}


def test_splits_that_are_not_there_are_left_out():
    assert arrange(["train.csv", "notes.csv"], "folder") == {"train": ["train.csv"]}
    assert arrange(["test.csv", "dev.csv"], "folder") == {"validation": ["dev.csv"], "test": ["test.csv"]}


@pytest.mark.parametrize(
    "names",
    [
        ["faq.csv"],
        ["train_test.csv"],
        ["all-00000-of-00002.parquet", "all-00001-of-00002.parquet"],
        ["part-00000-3f2a.parquet", "part-00001-91bc.parquet"],
        ["data-1.jsonl", "data-2.jsonl", "data-3.jsonl"],
    ],
)
def test_one_table_without_a_split_is_all_there_is(names):
    assert arrange(names[::-1], "folder") == {"train": names}


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00003.parquet", "train-00001-of-00003.parquet", "train-00002-of-00003.parquet"],
        ["train_00001_of_00002.jsonl", "train_00002_of_00002.jsonl"],
        ["train-9.jsonl", "train-10.jsonl"],
        ["train_2022.csv", "train_2024.csv"],
        ["train_part_1.csv", "train_part_2.csv"],
        ["train/b.jsonl", "train/c.jsonl"],
        ["train/part-00000-aa.parquet", "train/part-00001-bb.parquet"],
    ],
)
def test_shards_are_read_in_their_order(names):
    assert arrange([*names[::-1], "test.csv"], "folder") == {"train": names, "test": ["test.csv"]}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"],
            r"2 of the 3 shards of train-00000.*missing 1\.",
        ),
        (["train-00001-of-00002.parquet"], r"1 of the 2 shards of .*missing 0\. .*Fetch the others"),
        (["train-0.jsonl", "train-1.jsonl", "train-4.jsonl"], r"3 of the 5 shards of train-0\.jsonl: missing 2, 3\."),
        (["a-00000-of-00002.csv", "a-00001-of-00002.csv", "a-00002-of-00003.csv"], "their names count differently"),
    ],
)
def test_a_missing_shard_is_an_error(names, message):
    with pytest.raises(ValueError, match=message):
        arrange(names, "folder")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["train.jsonl", "train.csv"],
            r"train split is there twice: `folder` holds train\.jsonl and train\.csv, .*Remove",
        ),
        (["train.jsonl", "train.jsonl.gz"], r"train split is there twice: .* train\.jsonl and train\.jsonl\.gz"),
        (["train.jsonl", "data/train.jsonl"], "train split is there twice"),
        (["train_small.jsonl", "train_full.jsonl"], "train split is there twice"),
        (
            ["train.csv", "dev.csv", "validation.csv"],
            r"validation split is there twice: .* dev\.csv and validation\.csv",
        ),
        (["train/a.jsonl", "train/b.csv"], "train split is there twice"),
        (["faq.csv", "tides.csv"], r"holds faq\.csv and tides\.csv, and no name says which split .*Rename them"),
        (["train_test.csv", "dev.csv"], r"holds train_test\.csv, whose name says more than one .*Rename it"),
        (["train/test.csv", "dev.csv"], r"holds train/test\.csv, whose name says more than one"),
    ],
)
def test_what_could_mean_two_things_is_an_error(names, message):
    with pytest.raises(ValueError, match=message):
        arrange(names, "folder")


@pytest.mark.parametrize(
    "others",
    [
        ["train_small.jsonl", "test_predictions.jsonl"],
        ["old_train.csv", "train-raw.jsonl"],
        ["my_dev.csv"],
    ],
)
def test_a_name_that_is_a_split_and_nothing_else_comes_before_longer_ones(others):
    files = ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "dev.csv", "test.jsonl"]
    expected = {"train": files[:2], "validation": ["dev.csv"], "test": ["test.jsonl"]}
    assert arrange([*others, *files], "folder") == expected


def test_the_folders_that_tell_subsets_apart():
    names = ["train.csv", "data/train.csv", "en/train.csv", "data/en/test/0.csv", "a/b/data/dev.csv"]
    assert [outer_folder(name) for name in names] == ["", "", "en", "en", "a/b"]
    assert [says_split(name) for name in ("en/train.csv", "en/all.csv", "test/all.csv")] == [True, False, True]


def test_a_folder_that_alone_says_the_split_may_say_more():
    names = ["train_sft/data-0.arrow", "test_sft/data-0.arrow", "train-tickets/test.csv", "holdout/data-0.arrow"]
    assert [outer_folder(name) for name in names] == ["sft", "sft", "train-tickets", ""]
    assert arrange(names[:2], "there") == {"train": names[:1], "test": names[1:2]}
    assert arrange(["train.csv", *names[2:3]], "there")["test"] == names[2:3]


def test_what_is_held_out_is_the_test_split_unless_there_is_one():
    assert arrange(["train.csv", "held_out.csv"], "there")["test"] == ["held_out.csv"]
    assert arrange(["train.csv", "HoldOut.csv", "test.csv"], "there")["test"] == ["test.csv"]
