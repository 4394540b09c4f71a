import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Json, List, Value

from lightning_quicktune.data.files import read_tables


@pytest.fixture
def read(tmp_path):
    """Writes a table as Parquet or an Arrow stream, and reads it."""

    def read(table, name="a.parquet", **options):
        path = tmp_path / name
        if path.suffix == ".parquet":
            pq.write_table(table, path, **options)
        else:
            with pa.ipc.new_stream(path, table.schema) as writer:
                writer.write_table(table)
        return read_tables(path, name)[""]

    return read


def values(rows):
    assert [row.problem for row in rows] == [None] * len(rows)
    return [row.value for row in rows]


def json_column(texts, storage=None):
    kind = pa.json_(storage or pa.string())
    return pa.ExtensionArray.from_storage(kind, pa.array(texts, kind.storage_type))


JSON_TEXTS = ['"a seal"', "7", "true", "null", None, '["a", "b"]', '{"text": "x"}', '"\\"quoted\\""']
JSON_VALUES = ["a seal", 7, True, None, None, ["a", "b"], {"text": "x"}, '"quoted"']


@pytest.mark.parametrize("storage", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_json_columns_are_decoded(read, name, storage):
    table = pa.table({"question": ['"q"'] * 8, "answer": json_column(JSON_TEXTS, storage)})
    expected = [{"question": '"q"', "answer": value} for value in JSON_VALUES]
    assert values(read(table, name)) == expected


def test_json_is_decoded_at_any_depth(read):
    turns = pa.StructArray.from_arrays(
        [pa.array(["user", "assistant", "user"]), json_column(['"q"', "[1]", '"r"'])], ["role", "content"]
    )
    chats = pa.ListArray.from_arrays([0, 2, 3], turns)
    nested = pa.StructArray.from_arrays([chats, pa.array(["x", "y"])], ["turns", "note"])
    for column in (chats, nested):
        first = values(read(pa.table({"column": column})))[0]["column"]
        turns_read = first["turns"] if column is nested else first
        assert turns_read == [{"role": "user", "content": "q"}, {"role": "assistant", "content": [1]}]


def test_parquet_alone_says_json_too(read):
    table = pa.table({"note": ["{}"], "answer": json_column(['"a"']), "last": ['"b"']})
    assert values(read(table, store_schema=False)) == [{"note": "{}", "answer": "a", "last": '"b"'}]


@pytest.mark.parametrize("name", ["google:sqlType:json", "acme.json", "other.JSON"])
def test_json_types_of_other_systems_are_known_by_their_note(read, name):
    field = pa.field("answer", pa.string(), metadata={"ARROW:extension:name": name})
    table = pa.table({"answer": ['"a"']}, schema=pa.schema([field]))
    assert values(read(table)) == [{"answer": "a"}]


def test_text_that_looks_like_json_stays_text(read):
    assert values(read(pa.table({"answer": ['"a"', "7", '{"b": 1}']}))) == [
        {"answer": text} for text in ('"a"', "7", '{"b": 1}')
    ]


def test_broken_json_is_a_problem_of_its_record(read):
    found = read(pa.table({"answer": json_column(['"a"', "{oops"])}))
    assert [row.problem for row in found] == [
        None,
        "`answer`: its column is marked as JSON, but it holds '{oops'",
    ]


def test_what_datasets_writes_reads_as_it_was(tmp_path):
    names = ClassLabel(names=["ebb", "flood"])
    features = Features(
        {
            "question": Value("string"),
            "answer": names,
            "turns": [{"role": names, "content": Json()}],
            "inner": {"tide": names, "all": List(names)},
            "mixed": Json(),
        }
    )
    record = {
        "question": "q",
        "answer": "flood",
        "turns": [{"role": "ebb", "content": "text"}, {"role": "flood", "content": 3}],
        "inner": {"tide": "ebb", "all": ["flood", "ebb"]},
        "mixed": "a",
    }
    dataset = Dataset.from_list([record, {**record, "answer": -1, "mixed": 1.5, "inner": None}], features=features)
    dataset.to_parquet(tmp_path / "a.parquet")
    dataset.save_to_disk(tmp_path / "saved")
    expected = [record, {**record, "answer": None, "mixed": 1.5}]
    for path in (tmp_path / "a.parquet", tmp_path / "saved" / "data-00000-of-00001.arrow"):
        first, second = values(read_tables(path, path.name)[""])
        assert first == expected[0]
        assert {**second, "inner": None} == {**expected[1], "inner": None}


def test_classes_in_the_ways_that_older_files_note_them(read):
    label = {"names": ["ebb", "flood"], "num_classes": 2, "_type": "ClassLabel"}
    notes = {
        "one": label,
        "many": {"feature": label, "length": -1, "_type": "Sequence"},
        "rows": {"feature": {"tide": label}, "_type": "Sequence"},
    }
    kinds = [("one", pa.int64()), ("many", pa.list_(pa.int64())), ("rows", pa.struct([("tide", pa.list_(pa.int64()))]))]
    schema = pa.schema(kinds, metadata={"huggingface": json.dumps({"info": {"features": notes}})})
    table = pa.Table.from_pylist([{"one": 1, "many": [0, 1], "rows": {"tide": [1]}}], schema=schema)
    expected = {"one": "flood", "many": ["ebb", "flood"], "rows": {"tide": ["flood"]}}
    assert values(read(table)) == [expected]
    found = read(pa.Table.from_pylist([{"one": 2}], schema=schema))
    assert found[0].problem == "`one`: class 2, but its column has the 2 classes ebb, flood"


@pytest.mark.parametrize("metadata", [b"{}", b"nothing", b'{"info": {"features": []}}', b'{"info": null}'])
def test_other_notes_are_no_hindrance(read, metadata):
    schema = pa.schema([("answer", pa.int64())], metadata={"huggingface": metadata})
    assert values(read(pa.Table.from_pylist([{"answer": 1}], schema=schema))) == [{"answer": 1}]


def test_dates_times_and_decimals_are_written_out(read):
    noon = datetime.datetime(2024, 5, 2, 12, 30)
    columns = {
        "date": pa.array([noon.date()]),
        "midnight": pa.array([datetime.datetime(2024, 5, 2)]),
        "noon": pa.array([noon], pa.timestamp("ms")),
        "zone": pa.array([noon.replace(tzinfo=datetime.UTC)]),
        "time": pa.array([noon.time()]),
        "price": pa.array([decimal.Decimal("1.50")]),
        "list": pa.array([[noon.date()]]),
        "kind": pa.array(["ebb"]).dictionary_encode(),
        "nothing": pa.array([None], pa.date32()),
    }
    assert values(read(pa.table(columns))) == [
        {
            "date": "2024-05-02",
            "midnight": "2024-05-02",
            "noon": "2024-05-02T12:30:00",
            "zone": "2024-05-02T12:30:00+00:00",
            "time": "12:30:00",
            "price": "1.50",
            "list": ["2024-05-02"],
            "kind": "ebb",
            "nothing": None,
        }
    ]


def test_midnight_among_other_times_keeps_its_hours(read):
    times = [datetime.datetime(2024, 5, 2), datetime.datetime(2024, 5, 2, 6)]
    found = values(read(pa.table({"time": times})))
    assert found == [{"time": "2024-05-02T00:00:00"}, {"time": "2024-05-02T06:00:00"}]


def test_numbers_bytes_and_maps_stay_what_they_are(read):
    columns = {
        "number": pa.array([1.5]),
        "bytes": pa.array([b"\xff"]),
        "map": pa.array([[("a", datetime.date(2024, 5, 2))]], pa.map_(pa.string(), pa.date32())),
    }
    assert values(read(pa.table(columns))) == [{"number": 1.5, "bytes": b"\xff", "map": {"a": "2024-05-02"}}]


def test_a_text_that_is_not_utf8_is_a_problem_of_its_record(read):
    broken = pa.array([b"good", b"eau sal\xe9e", b"fine"]).view(pa.string())
    found = read(pa.table({"answer": broken}))
    assert [row.problem is None for row in found] == [True, False, True]
    assert found[1].problem.startswith("holds a value that can't be read: 'utf-8' codec can't decode byte 0xe9")
    assert (found[2].value, found[2].line) == ({"answer": "fine"}, 3)


def test_a_time_that_no_calendar_holds_is_a_problem_of_its_record(read):
    found = read(pa.table({"time": pa.array([10**15, 1], pa.timestamp("s"))}))
    assert found[0].problem.startswith("holds a value that can't be read: ")
    assert found[1].value == {"time": "1970-01-01T00:00:01"}


def test_two_columns_of_one_name_are_refused(read):
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["answer", "answer"])
    with pytest.raises(ValueError, match=r"two columns of one name among answer, answer, .*Rename or remove"):
        read(table, "a.arrow")


@pytest.mark.parametrize(("name", "kind"), [("a.parquet", "Parquet"), ("a.arrow", "Arrow"), ("a.feather", "Arrow")])
@pytest.mark.parametrize("content", [b"PAR1 no more", b"ARROW1 no more", b"\0\1\2"])
def test_what_is_no_table_is_refused(tmp_path, name, kind, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.\w+` isn't {kind}: .* Write it again.*`data\.init_args\.path`"):
        read_tables(tmp_path / name, name)
