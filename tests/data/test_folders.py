import pytest

from lightning_quicktune.data.folders import choose_files, could_be_records

THREE = ["train.jsonl", "dev.jsonl", "test.jsonl"]


def choose(names, card=None, subset=None):
    return choose_files(names, card, subset, "folder")


def card(configs):
    return f"---\nlicense: mit\n{configs}\n---\n# Tides\n"


def test_hidden_files_and_those_about_the_data_are_no_records():
    beside = [
        "README.md",
        "._train.jsonl",
        ".train.jsonl.swp",
        "_SUCCESS",
        "dataset_info.json",
        "meta.json",
        "state.json",
    ]
    beside += [".ipynb_checkpoints/train-checkpoint.jsonl", "cache-0a1b.arrow", "config.json"]
    expected = {"train": ["train.jsonl"], "validation": ["dev.jsonl"], "test": ["test.jsonl"]}
    assert choose([*THREE, *beside]) == expected
    assert choose(["faq.json", *beside]) == {"train": ["faq.json"]}
    assert not any(map(could_be_records, beside))
    assert [could_be_records(name) for name in ("extra.csv", "extra.json", "old/extra.csv")] == [True, False, True]


def test_the_folder_itself_comes_before_those_in_it():
    assert choose([*THREE, "checkpoints/train.jsonl", "old/train.jsonl"])["train"] == ["train.jsonl"]
    assert choose(["tides/train.jsonl", "tides/test.jsonl"])["test"] == ["tides/test.jsonl"]
    assert choose(["labels.csv", "plain_text/train-00000-of-00001.parquet"])["train"][0].startswith("plain_text/")


def test_one_of_several_subsets_must_be_named():
    names = ["en/train.jsonl", "de/train.jsonl", "de/test.jsonl"]
    with pytest.raises(
        ValueError, match=r"`folder` holds 2 subsets: en, de\. .*`data\.init_args\.reading\.subset`, .* en"
    ):
        choose(names)
    assert choose(names, subset="de") == {"train": ["de/train.jsonl"], "test": ["de/test.jsonl"]}
    with pytest.raises(ValueError, match=r"reading\.subset` is fr, but the subsets of `folder` are en, de\. Name one"):
        choose(names, subset="fr")
    with pytest.raises(ValueError, match=r"the subsets of `folder` are none\. .*or leave it out"):
        choose(["train.jsonl"], subset="fr")


@pytest.mark.parametrize("names", [[], ["test.jsonl"], ["notes.txt"], ["test.csv", "dev.csv"]])
def test_without_training_records_there_is_nothing_to_do(names):
    there = ", ".join(sorted(names)) or "nothing"
    message = rf"train split is missing: `folder` holds {there}, but .*Add or rename the file"
    with pytest.raises(FileNotFoundError, match=message):
        choose(names)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("train.xlsx", "Save the sheet as CSV UTF-8"), ("tides.zip", "Unpack it"), ("a.pkl", "any code")],
)
def test_files_that_are_known_but_not_read_are_advised_on(name, advice):
    with pytest.raises(FileNotFoundError, match=rf"`folder` holds {name}, but .*{advice}"):
        choose([name])


@pytest.mark.parametrize(
    "data_files",
    [
        "[{split: train, path: 'raw/a-*'}, {split: validation, path: [raw/b.csv]}]",
        "{train: raw/a-*.csv, validation: ./raw/b.csv}",
        "{train: ['**/a-1.csv', 'raw/a-2.csv'], validation: raw/**/b.csv}",
    ],
)
def test_the_card_says_which_files_are_which_split(data_files):
    text = card(f"configs:\n- config_name: tides\n  data_files: {data_files}")
    names = ["README.md", "raw/a-1.csv", "raw/a-2.csv", "raw/b.csv", "raw/c.csv"]
    assert choose(names, text) == {"train": ["raw/a-1.csv", "raw/a-2.csv"], "validation": ["raw/b.csv"]}


def test_the_subset_of_a_card_is_named_or_its_default():
    entry = "- {{config_name: {0}, data_files: {0}/*.csv{1}}}\n"
    names = ["ebb/all.csv", "flood/all.csv"]
    two = "configs:\n" + entry.format("ebb", "") + entry.format("flood", "")
    with pytest.raises(ValueError, match=r"holds 2 subsets: ebb, flood\. .*`data\.init_args\.reading\.subset`"):
        choose(names, card(two))
    assert choose(names, card(two), subset="flood") == {"train": ["flood/all.csv"]}
    with pytest.raises(ValueError, match=r"reading\.subset` is none, but the subsets of `folder` are ebb, flood"):
        choose(names, card(two), subset="none")
    marked = "configs:\n" + entry.format("ebb", "") + entry.format("flood", ", default: true")
    assert choose(names, card(marked)) == {"train": ["flood/all.csv"]}
    named = "configs:\n" + entry.format("ebb", "") + entry.format("default", "")
    assert choose(["ebb/all.csv", "default/all.csv"], card(named)) == {"train": ["default/all.csv"]}


def test_a_card_may_name_a_folder():
    text = card("configs:\n- {config_name: ebb, data_dir: ebb}")
    assert choose(["ebb/train.csv", "ebb/test.csv", "train.csv"], text) == {
        "train": ["ebb/train.csv"],
        "test": ["ebb/test.csv"],
    }


def test_splits_of_a_card_must_be_told_apart():
    files = ["data/train_sft-00000-of-00001.csv", "data/train_gen-00000-of-00001.csv"]
    splits = "[{split: train_sft, path: data/train_sft-*}, {split: train_gen, path: data/train_gen-*}]"
    with pytest.raises(ValueError, match=r"train split is there twice: the card of `folder` has train_gen and another"):
        choose(files, card(f"configs:\n- {{config_name: default, data_files: {splits}}}"))
    with pytest.raises(ValueError, match=r"card of `folder` has a split `easy`, which is none of train, validation"):
        choose(["a.csv"], card("configs:\n- {data_files: [{split: easy, path: a.csv}]}"))


@pytest.mark.parametrize(
    "text", ["", "# Tides", "---\n: [\n---\n", "---\nconfigs: 3\n---\n", card("configs: [{a: b}]"), card("a: b")]
)
def test_other_cards_say_nothing(text):
    assert set(choose(THREE, text)) == {"train", "validation", "test"}
