import errno
import os

import pytest

from lightning_quicktune.files.whole import read_json, staged, write_json, write_text, write_whole


def test_a_file_is_written_with_its_folder_and_nothing_beside_it(tmp_path):
    path = tmp_path / "new" / "names.txt"
    write_text(path, "Zoë\n")
    assert path.read_bytes() == "Zoë\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_leaves_the_file_of_before(tmp_path):
    path = tmp_path / "kept.txt"
    write_text(path, "before")

    def fail():
        with staged(path) as unfinished:
            unfinished.write_text("half")
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_with_the_file_and_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "kept.bin"
    write_whole(path, b"before")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"The disk is full, so `.*kept\.bin` could not be written"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_only_a_whole_json_document_is_read(tmp_path):
    path = tmp_path / "record.json"
    assert read_json(path) is None
    write_json(path, {"town": "Łódź", "n": 1})
    assert read_json(path) == {"town": "Łódź", "n": 1}
    path.write_text('{"town": ')
    assert read_json(path) is None
    path.write_text("[1]")
    assert read_json(path) is None
