import json

import pytest

from lightning_quicktune.evaluation.regret import Observed
from lightning_quicktune.evaluation.results import Replayed, ReplayKey, ReplayLog, write_whole

KEY = ReplayKey(0, "random", 1, "towns")
DONE = Replayed(KEY, 2.0, (Observed(1.5, "abc", 0, 1, 0.25), Observed(3.0, "def", 0, 2, 0.5)))


def test_replays_come_back_after_a_restart(tmp_path):
    ReplayLog(tmp_path, {"seed": 0}).add(DONE)
    log = ReplayLog(tmp_path, {"seed": 0})
    assert log.find(KEY, 2.0) == DONE
    assert log.find(KEY, 1.0) == DONE
    assert log.find(KEY, 3.0) is None  # it did not go that far
    assert log.find(ReplayKey(0, "random", 2, "towns"), 1.0) is None


def test_of_a_replay_that_was_done_again_the_last_counts(tmp_path):
    log = ReplayLog(tmp_path, {})
    longer = Replayed(KEY, 5.0, DONE.best)
    log.add(DONE)
    log.add(longer)
    assert ReplayLog(tmp_path, {}).find(KEY, 2.0) == longer


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path):
    ReplayLog(tmp_path, {}).add(DONE)
    with (tmp_path / "replays.jsonl").open("a") as file:
        file.write(json.dumps(DONE.to_dict())[:40])
    log = ReplayLog(tmp_path, {})
    log.add(Replayed(ReplayKey(1, "random", 1, "minerals"), 2.0, ()))
    assert len((tmp_path / "replays.jsonl").read_text().splitlines()) == 3
    assert ReplayLog(tmp_path, {}).find(KEY, 2.0) == DONE


def test_another_evaluation_in_the_same_folder_is_refused(tmp_path):
    ReplayLog(tmp_path, {"n_folds": 5, "seed": 0})
    with pytest.raises(ValueError, match=r"another evaluation: n_folds was 5 and is now 4\..*Set `output`"):
        ReplayLog(tmp_path, {"n_folds": 4, "seed": 0})


def test_a_file_is_replaced_at_once(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]
