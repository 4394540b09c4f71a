"""The panel in a terminal of its own, driven through a pty and read by a small emulator."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

CHILD = """
import logging, os, signal, sys, warnings
from types import SimpleNamespace as Record
early = logging.StreamHandler()
logging.getLogger("early").addHandler(early)
from lightning_quicktune.tuning.live.onlooker import onlooker
from lightning_quicktune.types import Configuration, Suggestion

class Clock:
    spent_s, left_s = 100.0, 500.0

def told():
    return os.read(int(sys.argv[1]), 1).decode()

stopped = []
def stop(*_):
    if stopped:
        raise KeyboardInterrupt
    stopped.append(1)
    panel.note("stopping: the slice that trains is finished first, then tests; Ctrl-C again pauses")
signal.signal(signal.SIGINT, stop)
trial = Suggestion(Configuration({"optimizer": "adamw", "lr": 8e-4, "lora_rank": 32}), 3)
try:
    with onlooker() as panel:
        while (part := told()) != "q":
            if part == "s":
                panel.started(Clock())
                panel.stage("searching", "128 candidates")
                panel.begun(trial, Record(words="most worth its price", mean=0.58, std=0.15))
                panel.step(trial.configuration.id, 7, 16)
            if part == "w":
                warnings.warn("a warning of somebody")
                logging.getLogger("early").warning("a log line from a handler of before")
                logging.getLogger("late").addHandler(logging.StreamHandler())
                logging.getLogger("late").warning("a log line from a handler of meanwhile")
                print("a line that was printed")
            if part == "d":
                panel.done(None)
except KeyboardInterrupt:
    print("paused")
assert early.stream is sys.stderr and type(panel).__name__ == "Panel"
logging.getLogger("late").warning("afterwards")
print("END")
"""


class Screen:
    """A terminal that breaks its lines anew when it becomes narrower, as most do."""

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column, self.is_cursor_shown = columns, [""], 0, 0, True

    def feed(self, text):
        for token in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[^\x1b]", text):
            if token.startswith("\x1b"):
                self._control(token)
            elif token == "\r":
                self.column = 0
            elif token == "\n":
                self.row += 1
                self.rows += [""] * (self.row + 1 - len(self.rows))
            else:
                self._put(token)

    def resize(self, columns):
        broken, cursor = [], 0
        for n, row in enumerate(self.rows):
            broken += [row[i : i + columns] for i in range(0, max(1, len(row)), columns)]
            cursor = len(broken) - 1 if n <= self.row else cursor
        self.columns, self.rows, self.row, self.column = columns, broken, cursor, min(self.column, columns - 1)

    def _control(self, token):
        number, kind = token[2:-1], token[-1]
        if kind == "A":
            self.row = max(0, self.row - int(number or 1))
        elif kind == "K":
            assert number == "2"
            self.rows[self.row] = ""
        elif number == "?25":
            self.is_cursor_shown = kind == "h"
        else:
            assert kind == "m", token

    def _put(self, letter):
        if self.column == self.columns:
            self.feed("\r\n")
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + letter + row[self.column + 1 :]
        self.column += 1

    @property
    def text(self):
        return "\n".join(row.rstrip() for row in self.rows)


class Terminal:
    """A process in a pty."""

    def __init__(self, columns=80, rows=30, **environment):
        read, self.tell = os.pipe()
        os.set_inheritable(read, True)
        self.screen, self.raw = Screen(columns), ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            size = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            names = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
            os.execve(sys.executable, [sys.executable, "-c", CHILD, str(read)], names | environment)
        os.close(read)

    def send(self, part):
        os.write(self.tell, part.encode())

    def type(self, letters):
        os.write(self.fd, letters.encode())

    def resize(self, columns, rows=30):
        self.screen.resize(columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def read(self, seconds):
        """Reads for a while what the process writes, if it does."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and select.select([self.fd], [], [], left)[0]:
            try:
                said = os.read(self.fd, 65536).decode()
            except OSError:  # its end
                return
            self.raw += said
            self.screen.feed(said)

    def read_until(self, words):
        """Reads until the screen shows these words."""
        self.read_while(lambda: words not in " ".join(self.screen.text.split()))

    def read_while(self, is_missing, seconds=300):
        deadline = time.monotonic() + seconds
        while is_missing():
            assert time.monotonic() < deadline, self.screen.text
            self.read(0.1)

    def end(self):
        os.close(self.tell)
        self.read_until("END")
        return os.waitpid(self.pid, 0)[1]


@pytest.fixture
def terminal():
    opened = []

    def start(*size, **environment):
        opened.append(Terminal(*size, **environment))
        return opened[0]

    yield start
    for each in opened:
        os.close(each.fd)


def test_what_others_print_goes_above_and_the_last_state_stays(terminal):
    shown = terminal()
    shown.read_until("loading PyTorch")
    shown.send("s")
    shown.read_until("slice 1 of 3 step 7 of 16")
    assert not shown.screen.is_cursor_shown
    for words in ("8:20 left of 10:00", "adamw, lr 8e-4, rank 32", "predicted .58 ± .15; most worth its price"):
        assert words in shown.screen.text
    shown.send("w")
    shown.read_until("a line that was printed")
    shown.send("d")
    shown.read_until("the report is written")
    shown.send("q")
    assert shown.end() == 0
    text, order = shown.screen.text, []
    for words in (
        "a warning of somebody",
        "a log line from a handler of before",
        "a log line from a handler of meanwhile",
        "a line that was printed",
        "done in 1:40",
        "the report is written",
        "afterwards",
        "END",
    ):
        assert text.count(words) == 1 or words == "a warning of somebody"
        order.append(text.index(words))
    assert order == sorted(order)
    assert shown.screen.is_cursor_shown


def test_a_terminal_that_changes_its_size_is_drawn_anew(terminal):
    shown = terminal(80)
    shown.send("s")
    shown.read_until("step 7 of 16")
    for columns in (40, 100, 25):
        shown.resize(columns)
        n_drawings = shown.raw.count("slice 1 of") + 3  # of which one may have begun before
        shown.read_while(lambda n=n_drawings: shown.raw.count("slice 1 of") < n)
        shown.read(0.1)
        shown.read_while(lambda: shown.screen.text.count("left of 10:00") != 1)
        assert shown.screen.text.count("slice 1 of") == 1
        assert len(shown.screen.text.split()) < 60
    shown.send("q")
    assert shown.end() == 0


def test_ctrl_c_is_answered_and_the_second_leaves_the_terminal_as_it_was(terminal):
    shown = terminal(40)
    shown.send("s")
    shown.read_until("step 7 of 16")
    shown.type("\x03")
    shown.read_until("is finished first, then tests; Ctrl-C again pauses")
    shown.type("\x03")
    shown.read_until("paused")
    assert shown.end() == 0
    assert shown.screen.is_cursor_shown


def test_no_colour_where_none_is_wanted(terminal):
    shown = terminal(80, 30, NO_COLOR="1")
    shown.send("s")
    shown.read_until("step 7 of 16")
    shown.send("q")
    assert shown.end() == 0
    styles = {code for codes in re.findall(r"\x1b\[([\d;]*)m", shown.raw) for code in codes.split(";")}
    assert styles <= {"0", "1", "2", ""}
