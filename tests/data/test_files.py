import json

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
    ],
)
def test_unusable_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / name)
