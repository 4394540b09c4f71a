"""Files of tables as other tools write them: each is read to the same cells, or refused by name."""

import json

import numpy as np
import pandas as pd
import pytest

from lightning_quicktune.metadataset.reading import read_table

FRAME = pd.DataFrame(
    {
        "task": ["a", "a", "b"],
        "lr": [0.1, 0.001, 0.02],
        "optimizer": ["adam", "größer", "sgd"],
        "score": [0.5, 0.25, np.nan],
    }
)


def written(frame, path, **options):
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif ".json" in path.name:
        frame.to_json(path, orient=options.get("orient", "records"), lines=options.get("lines", False))
    else:
        frame.to_csv(path, index=False, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("t.csv", {}),
        ("t.csv.gz", {}),
        ("t.csv", {"encoding": "utf-8-sig"}),
        ("t.csv", {"sep": ";"}),
        ("t.csv", {"sep": ";", "decimal": ","}),
        ("t.tsv", {"sep": "\t"}),
        ("t.txt", {"sep": "\t"}),
        ("t.parquet", {}),
        ("t.jsonl", {"lines": True}),
        ("t.jsonl.gz", {"lines": True}),
        ("t.json", {"lines": True}),
        ("t.json", {}),
        ("t.json", {"orient": "columns"}),
    ],
)
def test_the_same_cells_come_from_every_kind_of_file(tmp_path, name, options):
    table = read_table(written(FRAME, tmp_path / name, **options), {"score"})
    assert table.cells.columns.tolist() == FRAME.columns.tolist()
    assert table.cells["lr"].tolist() == [0.1, 0.001, 0.02]
    assert table.cells["optimizer"].tolist() == ["adam", "größer", "sgd"]
    assert table.cells["score"].tolist()[:2] == [0.5, 0.25]
    assert table.empty["score"].tolist() == [False, False, True]


def test_json_tells_nothing_from_not_a_number(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"score": 0.5}\n{"score": null}\n{"other": 1}\n{"score": NaN}\n{"score": "NaN"}\n')
    table = read_table(path, {"score"})
    assert table.empty["score"].tolist() == [False, True, True, False, False]
    assert np.isnan(table.cells["score"]).tolist() == [False, True, True, True, True]
    assert not table.is_vague


def test_mappings_in_records_become_columns_and_lists_text(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{"config": {"lr": 0.1, "net": {"layers": [64, 32]}}, "score": 0.5}] * 2))
    cells = read_table(path, {"score"}).cells
    assert cells.iloc[0].to_dict() == {"config.lr": 0.1, "config.net.layers": "[64, 32]", "score": 0.5}
    pd.DataFrame({"layers": [[64, 32]], "score": [0.5]}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", {"score"}).cells["layers"].tolist() == ["[64, 32]"]


def test_blanks_around_cells_are_not_part_of_them(tmp_path):
    (tmp_path / "t.csv").write_text("task, optimizer , score\na, adam , 0.5\na,adam, \n")
    table = read_table(tmp_path / "t.csv", {"score"})
    assert table.cells["optimizer"].tolist() == ["adam", "adam"]
    assert table.empty["score"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("t.csv", b"", r"t\.csv can't be read: No columns.*`table` is a \.parquet, \.csv"),
        ("t.csv", "score\nä\n".encode("utf-16"), r"t\.csv can't be read: .*codec.*UTF-8"),
        ("t.csv", b"task,score\na,0.5\na,0.5,7,8\n", r"t\.csv can't be read: .*line 3, saw 4"),
        ("t.csv", b"task,score\n", r"t\.csv has no rows"),
        ("t.parquet", b"PAR1", r"t\.parquet can't be read: "),
        ("t.json", b'{"a": [1,', r"t\.json can't be read: Expecting value"),
        ("t.json", b'{"a": {"b": {"y": [0.1]}}}', r"t\.json holds a mapping that is no table.*one record for each"),
        ("t.json", b"[]", r"t\.json has no rows"),
        ("t.json", b"7", r"t\.json holds a int that is no table"),
        ("t.csv.gz", b"no gzip", r"t\.csv\.gz can't be read: "),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=match):
        read_table(tmp_path / name, {"score"})
