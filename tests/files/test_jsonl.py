import json

from lightning_quicktune.files.jsonl import append_line, complete_lines


def test_appended_lines_are_read_back_in_order(tmp_path):
    path = tmp_path / "lines.jsonl"
    assert complete_lines(path) == []
    append_line(path, {"n": 1})
    append_line(path, {"name": "Zoë", "torn": "\ud800"})
    assert [json.loads(line) for line in complete_lines(path)] == [{"n": 1}, {"name": "Zoë", "torn": "\ud800"}]


def test_what_a_kill_left_of_the_last_line_is_cut_off(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": 2}\n{"n"')
    assert complete_lines(path) == [b'{"n": 1}', b'{"n": 2}']
    assert path.read_bytes() == b'{"n": 1}\n{"n": 2}\n'
    append_line(path, {"n": 3})
    assert len(complete_lines(path)) == 3
