import json

import pytest

from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.replay.calibration import Calibrated
from lightning_quicktune.replay.observed import Observed
from lightning_quicktune.replay.results import Replayed, ReplayKey, ReplayStore, write_replays
from lightning_quicktune.replay.splits import Split

CODES = {"random": "code"}
SPLIT = Split("new", "law/and order", 2, 1)


def replayed(seed, horizon_s=2.0, task="towns/north"):
    best = (Observed(1.5, "abc", 0, 1, 0.25), Observed(3.0, "def", 0, 2, 0.5))
    calibration = (Calibrated(0.0, 5, (0.4, 0.8, 1.0), -0.5),)
    return Replayed(ReplayKey(SPLIT, "random", task, seed), horizon_s, best, 0.1, 2, calibration)


def test_replays_come_back_after_a_restart(tmp_path):
    write_replays(tmp_path, "code", [replayed(1), replayed(3)])
    store = ReplayStore(tmp_path, {"seed": 0}, CODES)
    assert store.find(replayed(3).key, 2.0) == replayed(3)
    assert store.find(replayed(1).key, 1.0) == replayed(1)
    assert store.find(replayed(1).key, 3.0) is None  # it did not go that far
    assert store.find(replayed(2).key, 1.0) is None


def test_of_two_replays_the_longer_counts(tmp_path):
    for horizon_s in (2.0, 5.0, 3.0):
        write_replays(tmp_path, "code", [replayed(1, horizon_s)])
    assert ReplayStore(tmp_path, {}, CODES).find(replayed(1).key, 2.0) == replayed(1, 5.0)


def test_replays_by_other_code_or_of_other_methods_are_passed_over_and_stay(tmp_path):
    write_replays(tmp_path, "code", [replayed(1)])
    assert ReplayStore(tmp_path, {}, {"random": "other"}).find(replayed(1).key, 2.0) is None
    assert ReplayStore(tmp_path, {}, {"default": "code"}).find(replayed(1).key, 2.0) is None
    write_replays(tmp_path, "other", [replayed(1)])
    assert ReplayStore(tmp_path, {}, {"random": "other"}).find(replayed(1).key, 2.0) == replayed(1)
    assert ReplayStore(tmp_path, {}, CODES).find(replayed(1).key, 2.0) == replayed(1)


def test_a_file_that_a_kill_left_unfinished_is_not_read(tmp_path):
    write_replays(tmp_path, "code", [replayed(1)])
    (path,) = tmp_path.glob("replays/*/*/*/*.json")
    path.with_name(f".{path.name}.12.tmp").write_text(json.dumps([replayed(1).to_dict()])[:40])
    assert ReplayStore(tmp_path, {}, CODES).find(replayed(1).key, 2.0) == replayed(1)


def test_another_evaluation_in_the_same_folder_is_refused(tmp_path):
    ReplayStore(tmp_path, {"n_folds": 5, "seed": 0}, CODES)
    with pytest.raises(
        ValueError, match=r"another evaluation: n_folds was 5 and is now 4\..*Set `output`.*settings of before"
    ):
        ReplayStore(tmp_path, {"n_folds": 4, "seed": 0}, CODES)


def test_a_file_is_replaced_at_once(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]
