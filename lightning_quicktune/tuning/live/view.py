"""What the live panel looks like: from what was told to lines of a given width."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from lightning_quicktune.tuning.live.chart import chart
from lightning_quicktune.tuning.live.saying import clock_time, in_ascii, score, sparkline
from lightning_quicktune.tuning.live.seen import Event, Running, Seen

WIDEST = 100  # columns; longer lines are hard to read
_NARROW = 60  # columns below which labels are shorter
_MOST_RUNNING = 3  # trainings shown one by one
_MOST_EVENTS = 5  # lines of what happened last
_STYLES = {"score": "", "failure": "yellow", "note": "yellow", "stage": "dim", "fact": ""}
_CHART_ROWS, _ELSE = (4, 7), 14  # rows of the chart at least and at most, and rows that all else needs


@dataclass(frozen=True)
class _Page:
    """Where lines are written to.

    Args:
        width: Columns of a line.
        ascii_only: Whether the terminal knows no other letters.
        lines: What was written.
    """

    width: int
    ascii_only: bool
    lines: list[Text]

    def add(self, label: str, *parts: tuple[str, str]) -> None:
        """Writes a line: a label, then pieces of text, each with its style; what is too long ends in dots."""
        line = Text(no_wrap=True, overflow="crop")
        pieces = [(label.ljust(self.label), "dim"), *parts] if label else parts
        for text, style in pieces:
            line.append(in_ascii(text) if self.ascii_only else text, style)
        if line.cell_len > self.width:
            line.truncate(self.width - (2 if self.ascii_only else 1), overflow="crop")
            line.append(".." if self.ascii_only else "…")
        self.lines.append(line)

    @property
    def room(self) -> int:
        """Columns beside the labels."""
        return self.width - self.label

    @property
    def is_narrow(self) -> bool:
        """Whether every column counts."""
        return self.width < _NARROW

    @property
    def label(self) -> int:
        """Columns of what stands in front of a line."""
        return 10 if self.is_narrow else 13

    def name(self, level: str) -> str:
        """Name of a level, as short as it must be."""
        return level.removeprefix("a common ").removeprefix("your ").removeprefix("the ") if self.is_narrow else level


def view(seen: Seen, width: int, height: int, ascii_only: bool = False) -> list[Text]:
    """Lines of the panel, none wider than ``width``, no more than ``height``.

    Args:
        seen: What was told.
        width: Columns of the terminal.
        height: Rows of it.
        ascii_only: Whether it shows nothing but ASCII.
    """
    page = _Page(min(width, WIDEST), ascii_only, [])
    with seen.lock:
        _head(page, seen)
        for running in list(seen.running.values())[:_MOST_RUNNING]:
            _training(page, running)
        if len(seen.running) > _MOST_RUNNING:
            page.add("", (f"and {len(seen.running) - _MOST_RUNNING} more beside them", "dim"))
        _scores(page, seen, height - _ELSE)
        if seen.known:
            page.add("task", (seen.known, ""))
        _events(page, seen.events, height - len(page.lines))
    return page.lines[:height]


def _head(page: _Page, seen: Seen) -> None:
    left_s = seen.clock.left_s if seen.clock is not None else None
    spent = clock_time(seen.spent_s)
    total_s = seen.spent_s + (left_s or 0.0)
    if seen.is_done:
        time = f"done in {spent}"
    elif left_s is None:
        time = f"{spent} so far"
    else:
        time = f"{clock_time(left_s)} left of {clock_time(total_s)}"
    name = f"tune {seen.task}".strip()
    gap = page.width - cell_len(name) - cell_len(time)
    if gap < 1:
        page.add("", (time, "bold"))
    else:
        page.add("", (name, "bold"), (" " * gap, ""), (time, "bold"))
    if left_s is not None and not seen.is_done:
        page.add("", *_bar(seen.spent_s / total_s if total_s else 1.0, page.width))
    since = "" if seen.is_done else f"{clock_time(seen.stage_s)} "
    page.add(seen.stage_name, (since, "dim"), (seen.doing, ""))


def _training(page: _Page, running: Running) -> None:
    page.add("training", (running.words, "bold"))
    place = f"slice {running.slice} of {running.to}"
    steps = f"  step {running.step} of {running.of}" if running.of else ""
    room = page.room - len(place) - len(steps) - 2
    bar = [(" ", ""), *_bar(running.step / running.of, min(room, 30))] if running.of and room >= 6 else []
    page.add(" ", (place, ""), (steps, ""), *bar)
    page.add(" ", (running.why, "dim"))


def _scores(page: _Page, seen: Seen, chart_rows: int) -> None:
    best = seen.best
    if best is not None:
        page.add("best", (f"{score(best.score)} ", "bold green"), (f"{best.words}, slice {best.fidelity}", ""))
    if best is not None and chart_rows >= _CHART_ROWS[0] and page.room >= 24:
        _chart(page, seen, min(chart_rows, _CHART_ROWS[1]))
        return
    if len(seen.curve) > 1:
        page.add(" ", (sparkline([value for _, value in seen.curve], page.room), "green"))
    if seen.levels:
        page.add("beside", (", ".join(f"{page.name(name)} {score(value)}" for name, value in seen.levels.items()), ""))


def _chart(page: _Page, seen: Seen, height: int) -> None:
    names = {f"{page.name(name)} {score(value)}": value for name, value in seen.levels.items()}
    left_s = seen.clock.left_s if seen.clock is not None else None
    end_s = max(seen.spent_s + (left_s or 0.0), 1e-9)
    notes = min(max(map(len, names), default=0), page.room - 8)
    rows = chart(seen.curve, names, seen.spent_s, end_s, page.room - notes - 1, height)
    for row, levels in rows:
        page.add(" ", (row, "green"), (f" {', '.join(levels)}" if levels else "", "dim"))


def _events(page: _Page, events: list[Event], room: int) -> None:
    """The last events, as many as there is room for; what a person should know is told in full."""
    told: list[list[tuple[str, str]]] = []
    for event in reversed([event for event in events if event.kind != "begun"]):
        at = f"{clock_time(event.at_s)} "
        words = textwrap.wrap(event.words, max(8, page.room - len(at))) if event.kind == "note" else [event.words]
        lines = [(at if n == 0 else " " * len(at), part) for n, part in enumerate(words)]
        if len(told) + len(lines) > min(_MOST_EVENTS, room):
            break
        told = [[(at, "dim"), (part, _STYLES[event.kind])] for at, part in lines] + told
    for n, line in enumerate(told):
        page.add("last" if n == 0 else " ", *line)


def _bar(share: float, width: int) -> list[tuple[str, str]]:
    done = round(min(max(share, 0.0), 1.0) * width)
    return [("━" * done, "cyan"), ("─" * (width - done), "dim")]
