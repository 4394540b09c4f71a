import signal
import subprocess
import sys
import time

from lightning_quicktune.files.locks import exclusive

HOLD = """
import sys, time
from pathlib import Path
from lightning_quicktune.files.locks import exclusive
with exclusive(Path(sys.argv[1])) as free:
    print(free, flush=True)
    time.sleep(600)
"""


def test_a_folder_is_held_once_and_free_again_afterwards(tmp_path):
    with exclusive(tmp_path / "trial") as first:
        assert first
        with exclusive(tmp_path / "trial") as second:
            assert not second
    with exclusive(tmp_path / "trial") as again:
        assert again


def test_a_lock_ends_with_a_killed_process(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "True"
    began = time.monotonic()
    with exclusive(tmp_path) as free:
        assert not free
    assert time.monotonic() - began < 300  # waits for nobody: the other one holds it for twice as long
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with exclusive(tmp_path) as free:
        assert free


def test_what_a_killed_process_left_half_written_is_gone_once_another_works_there(tmp_path):
    left, others = tmp_path / ".trial.json.18828.tmp", [tmp_path / "trial.json", tmp_path / ".notes.tmp"]
    for path in (left, *others):
        path.write_text("{")
    with exclusive(tmp_path) as free:
        assert free
        assert not left.exists()
        left.write_text("{")  # of this one
        with exclusive(tmp_path) as free_too:
            assert not free_too
        assert left.exists()
    assert all(path.exists() for path in others)
