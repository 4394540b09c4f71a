import bz2
import gzip
import json
import lzma
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from lightning_quicktune.data.files import READERS, ending, is_readable, read_tables

RECORDS = [{"question": "a\u2028b", "answer": 'c, "d"\ne'}, {"question": "NA", "answer": "é"}]
LINES = "\n\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS).encode()


def rows(path):
    return read_tables(path, path.name)[""]


def write(path):
    if path.suffix in (".jsonl", ".ndjson"):
        path.write_bytes(LINES)
    elif path.suffix == ".json":
        path.write_text(json.dumps(RECORDS, indent=2))
    elif path.suffix in (".csv", ".tsv"):
        pd.DataFrame(RECORDS).to_csv(path, index=False, sep="," if path.suffix == ".csv" else "\t")
    elif path.suffix == ".parquet":
        pd.DataFrame(RECORDS).to_parquet(path)
    else:
        table = pa.Table.from_pylist(RECORDS)
        opened = pa.ipc.new_stream if path.suffix == ".arrow" else pa.ipc.new_file
        with opened(path, table.schema) as writer:
            writer.write_table(table)


@pytest.mark.parametrize("ending", READERS)
def test_all_endings_hold_the_same_records(tmp_path, ending):
    path = tmp_path / f"train{ending}"
    write(path)
    assert [row.value for row in rows(path)] == RECORDS
    assert {row.file for row in rows(path)} == {path.name}
    lines = {".jsonl": [1, 3], ".ndjson": [1, 3], ".csv": [3, 4], ".tsv": [3, 4]}
    assert [row.line for row in rows(path)] == lines.get(ending, [1, 2])


@pytest.mark.parametrize(
    ("last", "pack"),
    [
        ("gz", gzip.compress),
        ("BZ2", bz2.compress),
        ("xz", lzma.compress),
        ("zst", lambda data: pa.compress(data, codec="zstd", asbytes=True)),
    ],
)
def test_packed_files_are_unpacked(tmp_path, last, pack):
    path = tmp_path / f"train.JSONL.{last}"
    path.write_bytes(pack(LINES))
    assert is_readable(path.name)
    assert ending(path.name) == ".jsonl"
    assert [row.value for row in rows(path)] == RECORDS


@pytest.mark.parametrize("last", ["gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize("content", [b"no such thing at all", gzip.compress(LINES, mtime=0)[:-12]])
def test_what_cannot_be_unpacked_is_refused(tmp_path, last, content):
    (tmp_path / f"a.jsonl.{last}").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.jsonl\.\w+` can't be unpacked: .*cut short.*`data\.init_args\.path`"):
        rows(tmp_path / f"a.jsonl.{last}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.txt",
            b"x",
            r"ends in \.txt, but .*\.ndjson, .*\. If it is a document, .*`lightning-quicktune synth",
        ),
        ("a.yaml", b"x", r"ends in \.yaml, .*\. Write its records as JSON Lines, or"),
        ("a.db", b"x", r"ends in \.db, .*\. Export the table that is meant as CSV UTF-8, or"),
        ("a", b"x", r"ends in nothing, .*\. Write its records as JSON Lines, or"),
        ("a.csv", b"SQLite format 3\0", r"a\.csv` is a database of SQLite\. Export the table"),
        ("a.jsonl", b"%PDF-1.7\n", r"a\.jsonl` is a PDF\. `lightning-quicktune synthesize`"),
        ("a", b"x", "ends in nothing"),
        ("a.xlsx", b"x", r"ends in \.xlsx, .*\. Save the sheet as CSV UTF-8, or"),
        ("a.zip", b"x", r"ends in \.zip, .*\. Unpack it, or"),
        ("a.pkl", b"x", r"ends in \.pkl, .*\. Loading a pickle can run any code"),
        ("a.py", b"x", r"ends in \.py, .*\. Scripts that load data aren't run"),
        ("a.csv", b"PK\x03\x04more", r"is a ZIP archive or a workbook\. Unpack it, or save the sheet as CSV UTF-8"),
        ("a.jsonl", gzip.compress(b"{}", mtime=0), r"is compressed by gzip\. Give it an ending such as \.jsonl\.gz"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", r"is a pointer of Git LFS.*`git lfs pull`"),
        ("a.json", b"\n<!DOCTYPE html><html>", r"is a web page.*Fetch the file itself.*`data\.init_args\.path`"),
        ("a.csv", b"<html>", "is a web page"),
    ],
)
def test_other_files_are_refused_with_the_way_out(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        rows(tmp_path / name)


@pytest.mark.parametrize("ending", READERS)
def test_a_directory_in_the_place_of_a_file_is_refused(tmp_path, ending):
    (tmp_path / f"train{ending}").mkdir()
    with pytest.raises(ValueError, match=r"train\.\w+` can't be read: Is a directory\. .*`data\.init_args\.path`"):
        rows(tmp_path / f"train{ending}")


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read any file
    with pytest.raises(ValueError, match=r"train\.jsonl` can't be read: Permission denied\. .*this user may read"):
        rows(tmp_path / "train.jsonl")


@pytest.mark.parametrize("ending", READERS)
def test_an_empty_file_has_no_rows(tmp_path, ending):
    (tmp_path / f"a{ending}").write_bytes(b"")
    assert rows(tmp_path / f"a{ending}") == []
