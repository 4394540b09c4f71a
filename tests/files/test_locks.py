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
    assert time.monotonic() - began < 5  # waits for nobody
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with exclusive(tmp_path) as free:
        assert free
