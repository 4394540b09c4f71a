"""A disk that fills up in the middle of a trial or a collection: a small file system of its own."""

import errno
import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from lightning_quicktune.files.whole import read_json
from lightning_quicktune.trials.executors.build import build_executor
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.settings import ExecutorSettings
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial


@pytest.fixture
def small_disk(tmp_path) -> Path:
    """A disk of 8 MiB."""
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can mount a disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path, but: int) -> Path:
    """Leaves so many bytes free."""
    ballast, free = disk / "ballast", os.statvfs(disk)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - but))
    return ballast


@pytest.mark.parametrize("kilobytes", [0, 8, 60])
def test_a_trial_on_a_full_disk_says_so_stays_valid_and_goes_on_when_there_is_room(make_plan, small_disk, kilobytes):
    """Without a byte left, with room for the record alone, and for a part of a checkpoint."""
    plan, whole = make_plan("disk/trial"), make_plan("whole")
    run_trial(plan, 1)
    before = read_trial(plan.folder)
    ballast = fill(small_disk, but=1024 * kilobytes)
    with pytest.raises(OSError, match=r"The disk is full, so `.*` could not be written; .*Free some space"):
        run_trial(plan, 3)
    kept = read_trial(plan.folder)
    assert kept.curve.slices[:1] == before.curve.slices
    assert all(read_json(path) is not None for path in plan.folder.glob("*.json"))
    assert not list(plan.folder.glob("*.tmp"))
    ballast.unlink()
    assert run_trial(plan, 3).curve.scores == run_trial(whole, 3).curve.scores


def test_the_record_of_a_full_disk_is_json(make_plan, small_disk):
    plan = make_plan("disk/trial")
    fill(small_disk, but=4096)
    with pytest.raises(OSError, match="The disk is full"):
        run_trial(plan, 2)
    for path in plan.folder.glob("*.json"):
        json.loads(path.read_text())


@pytest.mark.slow  # a start of Python
def test_a_full_disk_of_a_worker_ends_the_command_that_it_works_for(make_plan, small_disk):
    plan = make_plan("disk/trial")
    fill(small_disk, but=4096)
    with closing(build_executor(ExecutorSettings("processes"), 1, 1, plan.fit)) as executor:
        executor.submit(Order(plan, 2))
        with pytest.raises(OSError, match="The disk is full") as raised:
            executor.wait()
    assert raised.value.errno == errno.ENOSPC
