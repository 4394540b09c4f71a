import gc
import json
from pathlib import Path

import pytest

from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.split_names import SPLITS
from lightning_quicktune.data.splits import read_splits

TASKS = Path(__file__).parents[2].parent / "shared" / "tasks"
DEFAULT = ReadingSettings()


def answers(splits):
    return {name: [record.answer for record in splits.records[name]] for name in SPLITS}


def test_a_folder_is_read_split_by_split(write_task):
    splits = read_splits(str(write_task(train=["a", "b"], validation=["c"], test=["d"])), DEFAULT)
    assert answers(splits) == {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}
    assert (splits.n_skipped, splits.n_duplicates) == (0, 0)


def test_three_answers_to_a_question_stay_together(tmp_path):
    records = [{"question": f"q{n}", "answer": f"a{k}"} for n in range(40) for k in range(3)]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    splits = read_splits(str(tmp_path / "all.jsonl"), DEFAULT)
    assert [len(splits.records[name]) for name in SPLITS] == [96, 12, 12]
    assert splits.report.shared_questions == {}


def one_file(tmp_path, n_records, copies=1):
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps({"question": f"q{i}", "answer": "a"}) + "\n" for i in range(n_records)) * copies)
    return str(path)


def test_one_file_is_split_by_the_seed(tmp_path):
    path = one_file(tmp_path, 50)
    splits = read_splits(path, DEFAULT)
    assert [len(splits.records[name]) for name in SPLITS] == [40, 5, 5]
    assert splits == read_splits(path, DEFAULT)
    assert splits != read_splits(path, ReadingSettings(split_seed=1))
    assert len({record.question for split in splits.records.values() for record in split}) == 50
    quarter = read_splits(path, ReadingSettings(validation_share=0.5, test_share=0.2))
    assert [len(quarter.records[name]) for name in SPLITS] == [15, 25, 10]


@pytest.mark.parametrize("n_records", range(3, 12))
@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.49, 0.5), (0.01, 0.98)])
def test_small_files_give_three_splits(tmp_path, n_records, shares):
    splits = read_splits(
        one_file(tmp_path, n_records), ReadingSettings(validation_share=shares[0], test_share=shares[1])
    )
    assert sum(len(split) for split in splits.records.values()) == n_records
    assert min(len(split) for split in splits.records.values()) >= 1


def test_equal_records_of_one_file_stay_in_one_split(tmp_path):
    splits = read_splits(one_file(tmp_path, 20, copies=2), DEFAULT)
    assert [len(splits.records[name]) for name in SPLITS] == [32, 4, 4]


def test_complaint_typos_bad_records_are_named_all_at_once_with_the_first_records_keys(write_task):
    path = str(write_task(train=["a"] + [{"question": "x"}] * 25, test=["t", {"question": "x", "answer": ""}]))
    with pytest.raises(ValueError, match="26 of 29 records can't be used") as error:
        read_splits(path, DEFAULT)
    lines = str(error.value).split("\n")
    assert lines[1] == "  train.jsonl:2: no `answer` (keys: question)"
    assert sum("no `answer`" in line for line in lines) == 20
    assert lines[21] == "  and 6 more"
    assert "Keys of the first record: question, answer. Formats tried: messages (role, content); " in lines[22]
    assert lines[23] == ("Mend these records, or set `data.init_args.reading.on_bad_record: skip` to leave them out.")


def test_bad_records_can_be_skipped(write_task):
    path = write_task(train=["a", {"question": "x"}, "b"])
    with (path / "train.jsonl").open("a") as file:
        file.write("{oops\n")
    with pytest.warns(
        UserWarning, match=r"2 of 6 records can't be used:(?s:.*)train\.jsonl:4: not JSON(?s:.*)left out"
    ):
        splits = read_splits(str(path), ReadingSettings(on_bad_record="skip"))
    assert answers(splits)["train"] == ["a", "b"]
    assert splits.n_skipped == 2


def test_complaint_typos_a_folder_of_unknown_records_is_never_skipped_whole(write_task):
    bad = [{"quest": "x", "answers": "y"}]
    path = str(write_task(train=bad, validation=bad, test=bad))
    with pytest.raises(ValueError, match=r"3 of 3 .*(?s:.*)Nearest: question/answer(?s:.*)Rename the keys"):
        read_splits(path, ReadingSettings(on_bad_record="skip"))


def test_a_file_of_mixed_formats_is_an_error_or_skipped(write_task):
    alpaca = {"instruction": "Say b.", "output": "b"}
    path = str(write_task(train=["a", alpaca, "c"]))
    message = (
        r"1 of 5 records can't be used:\n  train\.jsonl:2: format instruction/output, but the file began with "
        r"question/answer \(keys: instruction, output\)(?s:.*)Mend these records"
    )
    with pytest.raises(ValueError, match=message):
        read_splits(path, DEFAULT)
    with pytest.warns(UserWarning, match="1 of 5 records"):
        splits = read_splits(path, ReadingSettings(on_bad_record="skip"))
    assert answers(splits)["train"] == ["a", "c"]
    assert splits.n_skipped == 1


def test_files_of_a_folder_may_differ_in_format(write_task):
    splits = read_splits(str(write_task(test=[{"prompt": "p", "completion": "c"}])), DEFAULT)
    assert answers(splits)["test"] == ["c"]


def test_a_split_that_is_empty_after_skipping_is_an_error(write_task):
    path = str(write_task(test=[{"question": "x"}]))
    with (
        pytest.warns(UserWarning, match="1 of 3 records"),
        pytest.raises(
            ValueError, match=r"No record is left for the test split .*`data\.init_args\.reading\.on_bad_rec"
        ),
    ):
        read_splits(path, ReadingSettings(on_bad_record="skip"))


def test_dropped_duplicates_are_counted(write_task):
    a, b = ({"question": "q", "answer": answer} for answer in "ab")
    path = str(write_task(train=[a, "x"], validation=[b], test=[a]))
    with pytest.raises(ValueError, match="1 records are in more than one split"):
        read_splits(path, DEFAULT)
    with (
        pytest.warns(UserWarning, match="They are dropped"),
        pytest.warns(UserWarning, match="1 records ask a question that a later split asks too"),
    ):
        splits = read_splits(path, ReadingSettings(on_duplicate="drop"))
    assert answers(splits) == {"train": ["x"], "validation": ["b"], "test": ["a"]}
    assert (splits.n_duplicates, splits.report.shared_questions) == (1, {"train": 0, "validation": 1})


def test_too_few_records_to_split(tmp_path):
    with pytest.raises(ValueError, match=r"holds 2 different questions, too few .*`data\.init_args\.path`"):
        read_splits(one_file(tmp_path, 2, copies=3), DEFAULT)


def folder_of(tmp_path, **names):
    for name, n_records in names.items():
        records = [{"question": f"{name}{n}?", "answer": "a"} for n in range(n_records)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("names", "sizes", "said"),
    [
        (
            {"train": 20},
            [16, 2, 2],
            "no validation and no test file, so the 20 .*: 16 for train, 2 for validation, 2 for",
        ),
        (
            {"train": 20, "dev": 3},
            [18, 3, 2],
            "no test file, so the 20 training records are split .*: 18 for train, 2 for",
        ),
        ({"train": 20, "test": 3}, [18, 2, 3], r"no validation file, .* by `data\.init_args\.reading\.split_seed`: 18"),
        ({"faq": 20}, [16, 2, 2], "no validation and no test file"),
    ],
)
def test_splits_without_a_file_are_cut_off_and_said_so(tmp_path, names, sizes, said):
    with pytest.warns(UserWarning, match=said):
        splits = read_splits(folder_of(tmp_path, **names), DEFAULT)
    assert [len(splits.records[name]) for name in SPLITS] == sizes
    assert {record.file for record in splits.records["train"]} == {f"{next(iter(names))}.jsonl"}
    with pytest.warns(UserWarning, match=said):
        assert read_splits(str(tmp_path), DEFAULT) == splits


def test_people_name_splits_otherwise(tmp_path):
    splits = read_splits(folder_of(tmp_path, Training=5, dev=2, harbour_TEST=1), DEFAULT)
    assert [len(splits.records[name]) for name in SPLITS] == [5, 2, 1]
    assert {name: dict(found) for name, found in splits.report.formats.items()} == {
        "train": {"question/answer": 5},
        "validation": {"question/answer": 2},
        "test": {"question/answer": 1},
    }


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_afterwards_as_before(write_task, tmp_path, monkeypatch, enabled):
    monkeypatch.setattr(gc, "isenabled", lambda: enabled)
    calls = []
    monkeypatch.setattr(gc, "enable", lambda: calls.append("enable"))
    monkeypatch.setattr(gc, "disable", lambda: calls.append("disable"))
    read_splits(str(write_task()), DEFAULT)
    with pytest.raises(FileNotFoundError):
        read_splits(str(tmp_path / "none"), DEFAULT)
    assert calls == (["disable", "enable"] if enabled else ["disable"]) * 2


def test_files_that_are_not_read_are_said(tmp_path):
    path = folder_of(tmp_path, train=5, dev=2, test=1, more=3)
    with pytest.warns(
        UserWarning, match=r"Beside its splits `.*` holds more\.jsonl, which is not read: no name says which"
    ):
        read_splits(path, DEFAULT)


def test_all_faults_of_all_files_come_at_once(write_task):
    path = write_task(train=["a", {"question": "x"}])
    (path / "test.jsonl").write_bytes("q".encode("utf-16"))
    (path / "validation.jsonl").write_text("")
    message = r"validation\.jsonl` is empty(?s:.*)test\.jsonl` isn't UTF-8(?s:.*)1 of 2 records can't be used:\n  train"
    with pytest.raises(ValueError, match=message):
        read_splits(str(path), ReadingSettings(on_bad_record="skip"))


def test_a_training_file_without_a_usable_record(tmp_path):
    (tmp_path / "train.jsonl").write_text("{}\n")
    (tmp_path / "dev.jsonl").write_text('{"question": "q", "answer": "a"}\n')
    with (
        pytest.warns(UserWarning, match="1 of 2 records"),
        pytest.raises(ValueError, match="No record is left for the train split"),
    ):
        read_splits(str(tmp_path), ReadingSettings(on_bad_record="skip"))


@pytest.mark.parametrize("shares", [(0.0, 0.1), (0.5, 0.5)])
def test_shares_must_leave_room(shares):
    with pytest.raises(ValueError, match=r"leave no room .*`data\.init_args\.reading\.validation_share`"):
        ReadingSettings(validation_share=shares[0], test_share=shares[1])


@pytest.mark.skipif(not TASKS.is_dir(), reason="the task folders aren't here")
def test_real_tasks_are_read_with_the_defaults():  # 47,717 records: some seconds under the type checks
    folders = sorted(folder for folder in TASKS.iterdir() if folder.is_dir())
    assert len(folders) == 68
    for folder in folders:
        splits = read_splits(str(folder), DEFAULT)
        for name in SPLITS:
            assert len(splits.records[name]) == (folder / f"{name}.jsonl").read_bytes().count(b"\n")


def test_records_of_a_known_format_are_not_told_which_formats_there_are(tmp_path):
    path = tmp_path / "rope.jsonl"
    path.write_text("question,answer\nWho?,Anna\n")
    with pytest.raises(ValueError, match=r"2 of 2 records .*(?s:.*)\nMend them, or name another file") as caught:
        read_splits(str(path), ReadingSettings())
    assert "Formats tried" not in str(caught.value)
    path.write_text(
        '{"question": "Who?", "answer": "Anna", "weight": 0}\n' + '{"question": "Why?", "answer": "So"}\n' * 3
    )
    with pytest.raises(ValueError, match="marked as unwanted") as caught:
        read_splits(str(path), ReadingSettings())
    assert "Formats tried" not in str(caught.value)
