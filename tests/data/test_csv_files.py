import csv
import io

import pytest

RECORDS = [
    {"question": 'Is "low tide", here; at six?', "answer": "yes\tindeed"},
    {"question": "When do | boats leave", "answer": "two\nlines, or 3;5"},
    {"question": "NA", "answer": ""},
]


@pytest.fixture
def read(read_content):
    return lambda content, name="a.csv": read_content(content, name)


def table(delimiter, **options):
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, ["question", "answer"], delimiter=delimiter, **options)
    writer.writeheader()
    writer.writerows(RECORDS)
    return stream.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_delimiter_is_what_header_and_rows_agree_on(read, delimiter, quoting, mark):
    assert [row.value for row in read(mark + table(delimiter, quoting=quoting))] == RECORDS


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("question;answer\nq, really, q;a, b\n", {"question": "q, really, q", "answer": "a, b"}),
        ("question,answer\nq; x,a; b\n", {"question": "q; x", "answer": "a; b"}),
        ("What, exactly;answer\nq;a\n", {"What, exactly": "q", "answer": "a"}),
        ("What, exactly;answer\nq;\nr;b\n", {"What, exactly": "q", "answer": ""}),
        ("question,answer|both\nq,a|b\n", {"question": "q", "answer|both": "a|b"}),
        ("question\nq, or q\n", {"question": None}),
    ],
)
def test_no_delimiter_is_guessed_from_texts(read, content, expected):
    found = read(content)[0]
    if expected["question" if "question" in expected else "answer"] is None:
        assert found.problem == "more fields than the 1 columns of the header (a comma outside quotes?)"
    else:
        assert found.value == expected


def test_the_line_that_excel_puts_first_names_the_delimiter(read):
    found = read("sep=;\r\nquestion;answer\r\nq,r;a\r\n")
    assert [(row.value, row.line) for row in found] == [({"question": "q,r", "answer": "a"}, 3)]


def test_tab_separated_values_have_tabs_alone(read):
    assert read("question\tanswer\nq,r\ta\n", "a.tsv")[0].value == {"question": "q,r", "answer": "a"}
    assert read("question,answer\nq,a\n", "a.tsv")[0].value == {"question,answer": "q,a"}


def test_blanks_empty_columns_and_empty_rows_of_a_spreadsheet(read):
    content = ";;\n question ; answer;;\nq; a ;;\n;;;\n\nr;b\n"
    found = read(content)
    assert [(row.value, row.line) for row in found] == [
        ({"question": "q", "answer": " a "}, 3),
        ({"question": "r", "answer": "b"}, 6),
    ]


def test_quotes_behind_a_blank_are_quotes(read):
    assert read('question, answer\n"q, r", "a, b"\n')[0].value == {"question": "q, r", "answer": "a, b"}
    assert read("question, answer\nq, a\n")[0].value == {"question": "q", "answer": " a"}


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_row_numbers_of_pandas_are_no_key(read, name):
    assert read(f"{name},question,answer\n0,q,a\n1,r,b\n")[1].value == {"question": "r", "answer": "b"}
    named = read("Unnamed: 0,question,answer\nx,q,a\n")[0]
    assert named.value == {"Unnamed: 0": "x", "question": "q", "answer": "a"}


def test_a_text_without_a_name_is_a_problem(read):
    found = read("question,,answer\nq,x,a\nq,,a\n")
    assert found[0].problem == "field 2 holds a text, but the first row gives its column no name"
    assert found[1].value == {"question": "q", "answer": "a"}
    assert read("question,answer,\nq,a,x\n")[0].problem == (
        "more fields than the 2 columns of the header (a comma outside quotes?)"
    )


def test_broken_rows_carry_their_problem(read):
    found = read("question,answer\na,b\nc,d,e\nf\n")
    problem = "more fields than the 2 columns of the header (a comma outside quotes?)"
    assert [row.problem for row in found] == [None, problem, None]
    assert found[2].value == {"question": "f", "answer": None}
    assert read("question,answer\nq,a\0b\n")[0].problem == "holds a NUL character, which is no text"


def test_a_quote_that_is_never_closed_takes_one_line_alone(read):
    found = read('question,answer\na,b\nc,"d\ne,f\ng,h\n')
    problem = "not CSV: unexpected end of data (a quote that isn't closed or doubled?)"
    assert [(row.line, row.problem) for row in found] == [(2, None), (3, problem), (4, None), (5, None)]
    assert found[3].value == {"question": "g", "answer": "h"}


def test_a_quote_in_the_midst_of_a_field_is_a_problem_of_its_row(read):
    found = read('question,answer\na,"b" c\nd,e\n')
    assert found[0].problem == "not CSV: ',' expected after '\"' (a quote that isn't closed or doubled?)"
    assert found[1].value == {"question": "d", "answer": "e"}


def test_a_row_of_another_encoding_is_a_problem_of_its_own(read):
    found = read("question;answer\nq;a\nr;3 €\n".encode("cp1252"))
    assert [row.problem for row in found] == [None, "not UTF-8: byte 0x80 after '3 '"]


def test_long_fields_are_read(read):
    assert len(read("question,answer\nq," + "a" * 200_000 + "\n")[0].value["answer"]) == 200_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "question,answer, answer\nq,a,b\n",
            r"more than one column of the name 'answer', .*Rename or remove the others",
        ),
        ("Frage;größe\nq;a\n".encode("cp1252"), r"a header that is not UTF-8: byte 0xf6 after .*`iconv -f cp1252"),
        ('"question,answer\nq,a\n', r"no header that can be read: not CSV: .*The first row must name the columns"),
        (
            "question\tanswer\nq\ta\n".encode("utf-16"),
            r"byte order mark of UTF-16\. .*`iconv -f utf-16 -t utf-8 a\.csv`",
        ),
    ],
)
def test_unusable_tables_are_refused(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content)


def test_a_header_alone_has_no_rows(read):
    assert read("question,answer\n") == []
