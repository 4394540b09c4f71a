import json

import pytest

from lightning_quicktune.data.parsing import parse_task
from lightning_quicktune.data.reading import ReadingSettings

SETTINGS = ReadingSettings()


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


def test_all_that_is_wrong_is_said_and_all_that_is_right_is_read(tmp_path):
    good = {"question": "q", "answer": "a"}
    (tmp_path / "train.jsonl").write_text(lines([good, {"question": "x"}]) + "{oops\n")
    (tmp_path / "dev.csv").write_text("prompt,completion\np,c\np,\n")
    (tmp_path / "test.json").write_text("[")
    parsed = parse_task(str(tmp_path), SETTINGS)
    assert {name: [record.answer for record in part] for name, part in parsed.records.items()} == {
        "train": ["a"],
        "validation": ["c"],
        "test": [],
    }
    assert [problem.split(" ")[0] for problem in parsed.report.problems] == [
        "train.jsonl:2:",
        "train.jsonl:3:",
        "dev.csv:3:",
    ]
    assert len(parsed.file_problems) == 1
    assert "test.json` isn't JSON" in parsed.file_problems[0]
    assert parsed.n_rows == 5
    assert {name: dict(found) for name, found in parsed.report.formats.items()} == {
        "train": {"question/answer": 1},
        "validation": {"prompt/completion": 1},
        "test": {},
    }


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_another_encoding_is_advised_on_once(tmp_path, name):
    records = [{"question": "q", "answer": f"für {n} €"} for n in range(5)]
    contents = {
        "a.csv": "question,answer\n" + "".join(f"q,{record['answer']}\n" for record in records),
        "a.jsonl": "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records),
        "a.json": json.dumps(records, ensure_ascii=False),
    }
    (tmp_path / name).write_bytes(contents[name].encode("cp1252"))
    parsed = parse_task(str(tmp_path / name), SETTINGS)
    assert len(parsed.report.problems) == 5
    assert all(f"{name}:" in problem and "not UTF-8: byte 0xfc" in problem for problem in parsed.report.problems)
    assert [advice for advice in parsed.advice if f"`iconv -f cp1252 -t utf-8 {name}`" in advice] == [parsed.advice[0]]


def test_a_table_without_a_first_row_of_names_is_suspected(tmp_path):
    (tmp_path / "a.csv").write_text("Which tide is low?,the ebb\nWhich is high?,the flood\n")
    (advice, _) = parse_task(str(tmp_path / "a.csv"), SETTINGS).advice
    assert advice.startswith("The first row of `a.csv` looks like a record, ")
    assert "put a row such as `question,answer` before it" in advice
    (tmp_path / "a.csv").write_text("Frage,Antwort\nq,a\n")
    assert len(parse_task(str(tmp_path / "a.csv"), SETTINGS).advice) == 1


def test_half_a_surrogate_pair_can_be_printed(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"\\ud800": "x"}\n{"question": "\\udc00", "answer": "a"}\n')
    parsed = parse_task(str(tmp_path / "a.jsonl"), SETTINGS)
    assert "\\ud800" in "\n".join((*parsed.report.problems, *parsed.advice)).encode().decode()
