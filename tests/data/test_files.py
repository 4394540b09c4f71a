import json
from pathlib import Path

import pandas as pd
import pytest

from lightning_quicktune.data.files import read_rows

RECORDS = [{"question": "a\u2028b", "answer": 'c, "d"\ne'}, {"question": "NA", "answer": "é"}]


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".parquet"])
def test_all_endings_hold_the_same_records(tmp_path, ending):
    path = tmp_path / f"train{ending}"
    if ending == ".jsonl":
        path.write_text("\n\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS))
    elif ending == ".json":
        path.write_text(json.dumps(RECORDS, indent=2))
    elif ending == ".csv":
        pd.DataFrame(RECORDS).to_csv(path, index=False)
    else:
        pd.DataFrame(RECORDS).to_parquet(path)
    rows = read_rows(path)
    assert [row.value for row in rows] == RECORDS
    assert {row.file for row in rows} == {path.name}
    assert [row.line for row in rows] == {".jsonl": [1, 3], ".csv": [3, 4]}.get(ending, [1, 2])


def test_json_lines_in_a_json_file_are_understood(tmp_path):
    path = tmp_path / "train.json"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    assert [row.value for row in read_rows(path)] == RECORDS
    path.write_text(json.dumps(RECORDS[0]))
    assert [row.value for row in read_rows(path)] == RECORDS[:1]


def test_broken_rows_carry_their_problem(tmp_path):
    lines, table = tmp_path / "a.jsonl", tmp_path / "a.csv"
    lines.write_text('{"question": 1}\n{"question" 2}\n')
    assert [row.problem for row in read_rows(lines)] == [None, "not JSON: Expecting ':' delimiter at column 13"]
    table.write_text("question,answer\na,b\nc,d,e\nf\n")
    problem = "more fields than the 2 columns of the header (a comma outside quotes?)"
    assert [row.problem for row in read_rows(table)] == [None, problem, None]
    assert read_rows(table)[2].value == {"question": "f", "answer": None}


def test_numbers_and_brackets_that_python_refuses_are_problems_of_their_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"q": 1' + "0" * 5000 + "}\n" + '{"q": ' + "[" * 100_000 + "\n" + '{"q": "fine"}\n')
    problem = "not JSON that can be read: nested too deeply, or too long a number"
    assert [row.problem for row in read_rows(path)] == [problem, problem, None]


def test_a_quote_that_is_never_closed_swallows_no_records_silently(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('question,answer\na,b\nc,"d\ne,f\n')
    problem = "not CSV: unexpected end of data (a quote that isn't closed or doubled?)"
    assert [row.problem for row in read_rows(path)] == [None, problem]


def test_long_csv_fields_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("question,answer\nq," + "a" * 200_000 + "\n")
    assert len(read_rows(path)[0].value["answer"]) == 200_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"x", r"ends in \.txt, but records are read from .*\.jsonl, \.json, \.csv, \.parquet\. Convert it"),
        ("a", b"x", "ends in nothing"),
        ("a.jsonl", b"\n", r"is empty: it holds no record.*`data\.init_args\.path`"),
        ("a.json", b"", "is empty"),
        ("a.json", b"[]", "is empty"),
        ("a.csv", b"question,answer\n", "is empty"),
        ("a.jsonl", b'{"q": "a"}\n{"q": "\xe9"}', r"isn't UTF-8: byte 0xe9 in line 2.*`iconv -f latin1"),
        ("a.json", b'[{"q": 1},\n]', r"isn't JSON: .* in line \d.*rename the file to \.jsonl"),
        ("a.json", b'{"data":\n[]}', r"holds a JSON dict, .*Keep only the list"),
        (
            "a.jsonl",
            '{"q": "a"}'.encode("utf-16"),
            r"byte order mark of UTF-16\. .*`iconv -f utf-16 -t utf-8 a\.jsonl`",
        ),
        ("a.csv", b"\x89PNG\r\n\x1a\n\x00\xff", r"isn't UTF-8: byte 0x89 in line 1.*`data\.init_args\.path`"),
        ("a.json", b"[" * 100_000, r"nested too deeply, or holds too long a number\. .*`data\.init_args\.path`"),
        ("a.json", b"[1" + b"0" * 5000 + b"]", "too long a number"),
        ("a.parquet", b"PAR1 no more", r"isn't Parquet: .* Write it again"),
        ("a.parquet", b"", "is empty"),
    ],
)
def test_unusable_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / name)


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".parquet"])
def test_a_directory_in_the_place_of_a_file_is_refused(tmp_path, ending):
    (tmp_path / f"train{ending}").mkdir()
    with pytest.raises(ValueError, match=r"train\.\w+` can't be read: Is a directory\. .*`data\.init_args\.path`"):
        read_rows(tmp_path / f"train{ending}")


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read any file
    with pytest.raises(ValueError, match=r"train\.jsonl` can't be read: Permission denied\. .*this user may read"):
        read_rows(tmp_path / "train.jsonl")
