"""Ctrl-C as a person presses it: a real process on the miniature Phi-3."""

import signal
import subprocess
import sys
import time

import pytest

STARTED = (  # background jobs of a shell ignore SIGINT
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from lightning_quicktune.cli.main import main; sys.exit(main(sys.argv[1:]))"
)
SECONDS = 10.0  # within which it must have ended, on a machine that does other things besides


class Process:
    """A search with plain lines."""

    def __init__(self, folder):
        command = [sys.executable, "-c", STARTED, "tune", "suite:suite-towns-mixed", "--model", "nano"]
        self.log = folder / "log.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*command, "--slices", "500"], cwd=folder, stderr=log)

    def wait_for(self, words, seconds=300.0):
        until = time.monotonic() + seconds
        while words not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def press(self):
        self.process.send_signal(signal.SIGINT)


@pytest.fixture
def search(tmp_path):
    started = Process(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("words", ["Testing the chosen configuration", None], ids=["while it tests", "at once"])
def test_after_the_second_one_the_process_ends(search, words):
    search.wait_for("the best so far")
    search.press()
    if words is None:
        time.sleep(0.5)
    else:
        search.wait_for(words)
    search.press()
    assert search.process.wait(SECONDS) == 130
    assert search.log.read_text().endswith("interrupted; the same command goes on where it stopped\n")
    assert "Traceback" not in search.log.read_text()
