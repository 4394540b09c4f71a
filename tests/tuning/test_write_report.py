import re

import pytest

from lightning_quicktune.tuning.write_report import read_outcome, write_report


def test_everything_can_be_written_again_from_the_record(make_outcome, tmp_path):
    page = write_report(make_outcome(n_trials=2), tmp_path / "result")
    first = {path.name: path.read_bytes() for path in page.parent.iterdir()}
    assert set(first) == {"outcome.json", "report.html", "report.md", "search.png"}
    write_report(read_outcome(page.parent), tmp_path / "again")
    for name in ("outcome.json", "report.html", "report.md"):
        assert (tmp_path / "again" / name).read_bytes() == first[name]


def test_without_a_choice_there_is_no_figure(make_outcome, tmp_path):
    nothing = make_outcome(incumbent=None, gain=None, answers=(), verdict=None)
    write_report(nothing, tmp_path)
    assert not (tmp_path / "search.png").exists()
    assert "search.png" not in (tmp_path / "report.md").read_text()


def test_a_folder_without_a_record_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(f"There is no `outcome.json` in {tmp_path}")):
        read_outcome(tmp_path)
