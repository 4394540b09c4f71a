"""What is heard of processes that end in unusual ways."""

import os
import subprocess
from multiprocessing import Pipe

import pytest

from lightning_quicktune.trials.executors.child import _Driver
from lightning_quicktune.trials.executors.messages import event_bytes
from lightning_quicktune.trials.executors.processes import _Launcher, _Process
from lightning_quicktune.trials.executors.start_output import StartOutput
from lightning_quicktune.trials.executors.worker import Brief, Idle
from lightning_quicktune.trials.executors.workplace import WorkerLostError
from lightning_quicktune.trials.termination import Terminated


def test_a_worker_that_is_killed_in_the_middle_of_a_word_is_lost():
    worker = object.__new__(_Process)
    worker.has_started = False
    worker.connection, theirs = Pipe()
    worker.process = subprocess.Popen(["sleep", "60"])
    worker.process.kill()
    theirs.send_bytes(event_bytes(Idle()))
    theirs._send((1000).to_bytes(4, "big") + b"half a word")
    theirs.close()
    assert worker.heard() == [Idle()]
    with pytest.raises(WorkerLostError, match="was ended by SIGKILL, as systems do where memory is short"):
        worker.heard()


def test_a_driver_that_is_gone_pauses_once_so_that_all_trials_of_a_cohort_are_recorded_as_paused():
    pipe, theirs = Pipe()
    theirs.close()
    driver = _Driver(pipe, 2)
    with pytest.raises(Terminated):
        driver.say(Idle())
    driver.say(Idle())


class Running:
    """A process whose devices hang when all is said."""

    def __init__(self):
        self.process, self.has_started, self.has_ended = self, False, False

    def wait(self, timeout):
        raise subprocess.TimeoutExpired("child", timeout)

    def heard(self):
        self.has_started = True
        return [Idle()]

    def end(self):
        self.has_ended = True


def test_a_process_that_has_said_all_and_does_not_end_is_ended(tmp_path):
    launcher, running = _Launcher(Brief(), {}, tmp_path / "orders.json"), Running()
    assert launcher.heard() == [Idle()]
    launcher._running = running
    assert launcher.heard() == []  # it has started
    assert not running.has_ended
    assert launcher.heard() == [Idle()]
    assert running.has_ended
    assert launcher.connection is None


def test_what_a_process_writes_at_its_start_is_passed_on_and_its_end_kept(capfd):
    reading, writing = os.pipe()
    output = StartOutput(reading)
    for text in (*(f"line {n}\r\n" for n in range(2000)), "\n", "  the reason\n"):
        os.write(writing, text.encode())
    os.close(writing)
    assert output.last_lines() == "line 1997 | line 1998 | line 1999 | the reason"
    assert capfd.readouterr().err.count("line") == 2000
