from lightning_quicktune.replay.parallel import Progress


def test_progress_tells_the_time_that_is_left(monkeypatch, capsys):
    now = iter([0.0, 2.0, 12.0, 13.0, 16.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    progress = Progress(4, "jobs")
    for _ in range(4):
        progress.step()
    lines = capsys.readouterr().err.splitlines()  # not after each job
    assert lines == ["2/4 jobs, about 12 s left", "4/4 jobs, about 0 s left"]
