import logging
import sys

import pytest

from lightning_quicktune.tuning.live.lines import Lines
from lightning_quicktune.tuning.live.onlooker import onlooker
from lightning_quicktune.tuning.live.panel import Panel
from lightning_quicktune.tuning.live.seen import Seen
from lightning_quicktune.tuning.live.several import Several


@pytest.mark.parametrize(
    ("is_terminal", "kind", "expected"),
    [(True, "xterm-256color", Panel), (True, "dumb", Lines), (False, "xterm-256color", Lines)],
)
def test_a_panel_needs_a_terminal_whose_cursor_moves(monkeypatch, is_terminal, kind, expected):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", kind)
    assert type(onlooker()) is expected


def test_a_watcher_that_raises_is_told_nothing_more_and_the_others_are(story, caplog):
    class Broken(Seen):
        n = 0

        def described(self, task, splits):
            self.n += 1
            raise OSError("no space left")

    broken, other = Broken(), Seen()
    with caplog.at_level(logging.WARNING):
        story(Several(broken, other)).describe().describe().compare().end(1e-3, 0.4)
    assert broken.n == 1
    assert broken.best is None
    assert other.best is not None
    assert [record.getMessage() for record in caplog.records] == ["Broken shows nothing more (OSError: no space left)."]


def test_everything_a_watcher_is_told_is_passed_on(story, tmp_path, make_outcome):
    told = []

    class Remembering(Seen):
        def __getattribute__(self, name):
            if not name.startswith("_") and callable(getattr(Seen, name, None)):
                told.append(name)
            return super().__getattribute__(name)

    several = Several(Remembering())
    story(several).describe().compare().begin(1e-3).end(1e-3, 0.4).judge()
    several.step("nobody", 1, 2)
    several.recorded(tmp_path)
    several.note("words")
    several.done(make_outcome())
    names = {name for name in vars(Several) if not name.startswith("_")}
    assert names <= set(told)
