import pytest

from lightning_quicktune.synthesis.journal import Journal


def test_results_outlive_the_process(tmp_path):
    Journal(tmp_path / "work" / "facts.jsonl").add("a", {"answer": "Köln"})
    journal = Journal(tmp_path / "work" / "facts.jsonl")
    assert journal.get("a") == {"answer": "Köln"}
    assert journal.get("b") is None


def test_a_line_cut_by_a_kill_is_done_again(tmp_path):
    path = tmp_path / "facts.jsonl"
    Journal(path).add("a", {"answer": "1"})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "b", "ans')
    journal = Journal(path)
    assert journal.get("b") is None
    assert path.read_bytes() == whole
    journal.add("b", {"answer": "2"})
    assert Journal(path).get("b") == {"answer": "2"}


def test_damage_in_the_middle_is_an_error(tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text('{"key": "a", "answer": "1"}\nnonsense\n')
    with pytest.raises(ValueError, match=r"facts\.jsonl, line 2, is damaged: .*nonsense.* Delete that line"):
        Journal(path)
