import json
import os

import pytest

from lightning_quicktune.search.journal import Journal, JournalEntry
from lightning_quicktune.types import Suggestion

IDENTITY = {"task": "towns", "base_model": "nano", "pool_seed": 0, "shape": (1, 2)}


@pytest.fixture
def entries(five, tell):
    told = [tell(five["a"], [0.1, 0.2]), tell(five["b"], [], failed=True), tell(five["a"], [0.1, 0.2, 0.3])]
    return [JournalEntry(Suggestion(o.configuration, 3), o, 0.01, 2.0 + i) for i, o in enumerate(told)]


@pytest.fixture
def written(tmp_path, entries):
    journal = Journal(tmp_path, IDENTITY)
    for entry in entries:
        journal.append(entry)
    return journal.path


def test_entries_survive_reopening(tmp_path, written, entries):
    assert list(Journal(tmp_path, IDENTITY).entries) == entries


def test_an_entry_is_on_disk_when_append_returns(tmp_path, entries, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    journal = Journal(tmp_path, IDENTITY)
    for entry in entries:
        journal.append(entry)
        assert synced[-1] == journal.path.stat().st_size
    assert len(synced) == 4


def test_a_line_says_what_was_asked_and_what_came_of_it(written):
    record = json.loads(written.read_text().splitlines()[1])
    assert record["configuration"] == {"letter": "a"}
    assert [s["score"] for s in record["curve"]] == [0.1, 0.2]
    assert {"config_id", "fidelity", "failed", "cost_s", "thinking_s", "elapsed_s"} <= set(record)


@pytest.mark.parametrize("cut", [1, 5, 200])
def test_a_line_cut_short_by_a_kill_is_dropped_and_the_next_one_starts_afresh(tmp_path, written, entries, cut):
    written.write_bytes(written.read_bytes()[:-cut])
    journal = Journal(tmp_path, IDENTITY)
    assert list(journal.entries) == entries[:2]
    journal.append(entries[2])
    assert list(Journal(tmp_path, IDENTITY).entries) == entries


def test_a_last_line_of_zeros_is_dropped_like_one_cut_short(tmp_path, written, entries):
    with written.open("ab") as file:
        file.write(b"\0" * 40 + b"\n")
    assert list(Journal(tmp_path, IDENTITY).entries) == entries


def test_a_header_cut_short_begins_anew(tmp_path):
    path = Journal(tmp_path, IDENTITY).path
    path.write_bytes(path.read_bytes()[:10])
    assert Journal(tmp_path, IDENTITY).entries == ()
    assert Journal(tmp_path, IDENTITY).entries == ()


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path, written):
    lines = written.read_text().splitlines(keepends=True)
    written.write_text("".join([*lines[:2], "{}\n", *lines[3:]]))
    with pytest.raises(ValueError, match=r"Line 3 of `.*observations.jsonl` is damaged .*Restore .*delete that line"):
        Journal(tmp_path, IDENTITY)


def test_another_search_in_the_same_folder_is_an_error_that_names_the_difference(tmp_path, written):
    with pytest.raises(ValueError, match=r"another search: pool_seed was 0 and is now 1\. .*use another output folder"):
        Journal(tmp_path, {**IDENTITY, "pool_seed": 1})
    with pytest.raises(ValueError, match=r"searcher was None and is now 'random'"):
        Journal(tmp_path, {**IDENTITY, "searcher": "random"})


def test_a_file_that_is_no_journal_is_not_touched(tmp_path):
    path = tmp_path / "observations.jsonl"
    path.write_text('{"question": "?"}\n')
    with pytest.raises(ValueError, match=r"does not begin with the header .*Use another output folder"):
        Journal(tmp_path, IDENTITY)
    assert path.read_text() == '{"question": "?"}\n'


def test_a_full_disk_is_said_so_and_keeps_what_was_written(tmp_path, written, entries, monkeypatch):
    journal = Journal(tmp_path, IDENTITY)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"can't be written: .*No space left.*Free some space"):
            journal.append(entries[0])
    assert list(Journal(tmp_path, IDENTITY).entries)[:3] == entries


def test_what_earlier_versions_did_not_write_is_not_compared(tmp_path, written, entries):
    now = {**IDENTITY, "digest": "ab"}
    assert list(Journal(tmp_path, now, later=["digest"]).entries) == entries
    with pytest.raises(ValueError, match="digest was None and is now 'ab'"):
        Journal(tmp_path, now)
    (tmp_path / "new").mkdir()
    Journal(tmp_path / "new", now, later=["digest"])
    with pytest.raises(ValueError, match="digest was 'ab' and is now 'cd'"):
        Journal(tmp_path / "new", {**now, "digest": "cd"}, later=["digest"])
