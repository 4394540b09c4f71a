import io
import re
import time

import pytest

from lightning_quicktune.tuning.live.lines import Lines


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def now():
    return Clock()


def test_each_event_is_a_line_with_its_time_and_what_is_left(story):
    stream = io.StringIO()
    story(Lines(stream)).describe().compare().begin(1e-3).end(1e-3, 0.4)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[0:00, 10:00 left] shop.jsonl and the base model"
    assert lines[-1] == ("[2:00, 8:00 left] .400 at slice 3 by adamw, lr 1e-3, rank 32, batch 8; the best so far")
    assert len(lines) == 6


def test_no_silence_lasts_half_a_minute_and_each_line_tells_where_things_stand(story, now):
    """Ten minutes of one training, a second at a time; a step every seven."""
    written = []

    class Stream(io.StringIO):
        def write(self, text):
            written.append((now.seconds, text))
            return len(text)

    lines = Lines(Stream(), now)
    told = story(lines).describe().compare().begin(1e-3, to=5)
    (config_id,) = lines.running
    for second in range(600):
        now.seconds += 1
        told.clock.spent_s += 1
        if second % 7 == 0:
            lines.step(config_id, second // 7 + 1, 100)
        lines.break_silence()
    times = [at for at, _ in written]
    assert max(after - before for before, after in zip(times, [*times[1:], now.seconds], strict=True)) <= 30
    beats = [text for at, text in written if at > 1000]
    assert 20 <= len(beats) <= 30
    assert len(set(beats)) == len(beats)
    assert re.fullmatch(
        r"\[1:25, 8:35 left\] searching since 0:25: 128 candidates, transfer_guarded; training adamw, lr 1e-3, "
        r"rank 32, batch 8, slice 1 of 5, step 4 of 100\n",
        beats[0],
    )


def test_the_thread_breaks_a_silence_and_ends_with_it(monkeypatch):
    monkeypatch.setattr("lightning_quicktune.tuning.live.lines.SILENCE_S", 0.1)
    stream = io.StringIO()
    with Lines(stream) as lines:
        deadline = time.monotonic() + 120
        while "loading PyTorch" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert re.match(r"\[0:\d\d\] starting since 0:\d\d: loading PyTorch", stream.getvalue())
    lines._thread.join(120)
    assert not lines._thread.is_alive()


def test_after_the_end_nothing_is_said(now):
    stream = io.StringIO()
    lines = Lines(stream, now)
    lines.done(None)
    now.seconds += 100
    lines.break_silence()
    assert stream.getvalue() == ""


def test_a_pipe_that_nobody_reads_ends_the_lines_alone(story):
    class Closed(io.StringIO):
        n = 0

        def write(self, text):
            self.n += 1
            raise BrokenPipeError(32, "Broken pipe")

    stream = Closed()
    story(Lines(stream)).describe().compare().end(1e-3, 0.4)
    assert stream.n == 1


def test_a_stream_without_the_letters_gets_others(story):
    raw = io.BytesIO()
    story(Lines(io.TextIOWrapper(raw, encoding="ascii"))).describe().compare().begin(1e-3)
    assert b"predicted .58 +- .15" in raw.getvalue()


def test_whatever_is_told_is_one_line(story):
    stream = io.StringIO()
    lines = Lines(stream)
    lines.note("two\nlines\n")
    assert stream.getvalue() == "[0:00] two lines\n"
