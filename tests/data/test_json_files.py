import json

import pytest

RECORDS = [{"question": f"Which gate is number {n}?", "answer": f"gate {n}"} for n in range(3)]


@pytest.fixture
def read(read_content):
    return lambda content, name="a.jsonl": read_content(content, name)


def lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.mark.parametrize(
    "content",
    [
        lines(RECORDS),
        lines(RECORDS).replace("\n", "\r\n"),
        "\ufeff" + lines(RECORDS),
        lines(RECORDS[:2]) + "\ufeff" + lines(RECORDS[2:]),  # put together by cat
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=1),
        "[" + ",\n".join(map(json.dumps, RECORDS)) + "]",
        "\n".join(json.dumps(record, indent=2) for record in RECORDS),
        "".join(map(json.dumps, RECORDS)),
        json.dumps({"data": RECORDS}),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_records_one_per_line_one_after_another_or_in_a_list(read, content, name):
    assert [row.value for row in read(content, name)] == RECORDS


def test_one_object_is_one_record(read):
    assert [row.value for row in read(json.dumps(RECORDS[0]), "a.json")] == RECORDS[:1]
    assert [row.value for row in read(json.dumps(RECORDS[0], indent=1), "a.json")] == RECORDS[:1]
    chat = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    assert [row.value for row in read(json.dumps(chat))] == [chat]


def test_broken_lines_carry_their_problem(read):
    found = read('{"question": 1}\n{"question" 2}\n')
    assert [row.problem for row in found] == [None, "not JSON: Expecting ':' delimiter at column 13"]
    assert [row.problem for row in read("{oops")] == [
        "not JSON: Expecting property name enclosed in double quotes at column 2"
    ]
    assert [row.problem is None for row in read("{oops\n" + lines(RECORDS))] == [False, True, True, True]


def test_numbers_and_brackets_that_python_refuses_are_problems_of_their_line(read):
    found = read('{"q": 1' + "0" * 5000 + "}\n" + '{"q": ' + "[" * 100_000 + "\n" + '{"q": "fine"}\n')
    problem = "not JSON that can be read: nested too deeply, or too long a number"
    assert [row.problem for row in found] == [problem, problem, None]


@pytest.mark.parametrize("at_once", [True, False])
def test_what_can_be_decoded_but_not_looked_through_is_a_problem(read, at_once):
    deep = '{"q": ' * 700 + "1" + "}" * 700
    found = read(f"[{deep}, {{}}]" if at_once else f"{deep}\n{{}}\n", "a.json")
    assert [row.problem for row in found] == [
        "not JSON that can be read: nested too deeply, or too long a number",
        None,
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_key_that_is_there_twice_is_a_problem_of_its_record(read, name, at_once):
    entries = [
        '{"question": "q", "answer": "a", "answer": "b"}',
        '{"turns": [{"role": "x", "role": "y"}]}',
        '{"question": "q", "id": 1, "id": 1}',  # the same twice is harmless
        json.dumps(RECORDS[0]),
    ]
    found = read(f"[{', '.join(entries)}]" if at_once else "\n".join(entries), name)
    problem = "the key `{}` is there twice, and only one can be meant"
    assert [row.problem for row in found] == [problem.format("answer"), problem.format("role"), None, None]
    assert found[2].value == {"question": "q", "id": 1}


@pytest.mark.parametrize("at_once", [True, False])
def test_nul_characters_are_a_problem(read, at_once):
    entries = [{"question": "q\0", "answer": "a"}, {"question": "q", "answer": "\\u0000"}]
    found = read(json.dumps(entries) if at_once else lines(entries))
    assert [row.problem for row in found] == ["holds a NUL character, which is no text", None]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_line_of_another_encoding_is_a_problem_of_its_own(read, at_once):
    entries = [*RECORDS, {"question": "q", "answer": "eau salée"}]
    content = json.dumps(entries, ensure_ascii=False) if at_once else lines(entries)
    found = read(content.encode("latin1"))
    assert [row.problem for row in found[:3]] == [None] * 3
    assert found[3].problem.startswith("not UTF-8: byte 0xe9 after ")
    assert found[3].problem.endswith("eau sal'")
    assert found[3].value is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b'[{"q": 1},\n]', r"isn't JSON: .* in line \d.*rename the file to \.jsonl"),
        ("a.jsonl", b'[\n{"q": 1},\n]', r"isn't JSON: .* in line \d"),
        ("a.jsonl", b'{\n "q": 1,\n}', r"isn't JSON: .* in line \d"),
        (
            "a.json",
            b'{"a": {"b": 1}}',
            r"the JSON object with the keys a, in which no list of records can be told.*Keep",
        ),
        ("a.json", b"7", r"holds the JSON 7, in which no list .*`data\.init_args\.path`"),
        ("a.json", b"[" * 100_000, r"nested too deeply, or too long a number\. .*`data\.init_args\.path`"),
        ("a.json", b"[1" + b"0" * 5000 + b"]", "too long a number"),
        (
            "a.jsonl",
            '{"q": "a"}'.encode("utf-16"),
            r"byte order mark of UTF-16\. .*`iconv -f utf-16 -t utf-8 a\.jsonl`",
        ),
    ],
)
def test_unusable_documents_are_refused(read, name, content, message):
    with pytest.raises(ValueError, match=message):
        read(content, name)


def test_a_comma_behind_an_object_is_named(read):
    found = read('{"q": 1},\n{"q": 2}\n')
    assert [row.problem for row in found] == ["not JSON: a comma behind the object at column 9", None]


@pytest.mark.parametrize("content", ["", "\n", "[]", '{"data": []}'])
def test_no_record_is_no_row(read, content):
    assert read(content, "a.json") == []
