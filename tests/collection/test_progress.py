"""What is read after each trial of a collection: its own record, whatever the number of others."""

import os
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from jsonargparse.typing import Path_fr

from lightning_quicktune.collection import exchange, known_trials, progress
from lightning_quicktune.collection.exchange import Exchange
from lightning_quicktune.collection.parts import Parts
from lightning_quicktune.collection.progress import CollectionProgress
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.trials.executors.orders import Order, Result
from lightning_quicktune.trials.storage import read_current, write_trial
from lightning_quicktune.types import LearningCurve, SliceResult

N = 5


@pytest.fixture
def plans(make_plan):
    return [make_plan(str(n), lr=0.001 * (n + 1)) for n in range(N)]


@pytest.fixture
def n_read(monkeypatch):
    """Records that were read since it was called last."""
    read = []

    def counted(folder):
        read.append(folder)
        return read_current(folder)

    for module in (known_trials, exchange):
        monkeypatch.setattr(module, "read_current", counted)

    def since():
        n = len(read)
        read.clear()
        return n

    return since


def exchange_of(folder, parts_every):
    (folder / "any.yaml").touch()
    any_yaml, parts = Path_fr(str(folder / "any.yaml")), str(folder / "parts")
    return Exchange(CollectSettings(["any"], any_yaml, any_yaml, str(folder), 1, parts=parts, parts_every=parts_every))


def end(plan):
    """What a worker leaves of a trial."""
    trial = replace(plan.blank, curve=LearningCurve((SliceResult(1, 0.5, 1.0, 1.0, 1),)), status="completed")
    write_trial(plan.folder, trial)
    return Result(Order(plan, 1), trial, 1.0), trial


def test_a_trial_that_has_ended_here_costs_no_look_at_the_others(plans, n_read, capsys):
    told = CollectionProgress(plans)
    assert n_read() == N
    for n, plan in enumerate(plans, start=1):
        told.finished(*end(plan))
        assert f"[{n}/{N}]" in capsys.readouterr().err
    assert n_read() == 0


def test_what_other_processes_have_run_is_noticed_after_a_while(plans, n_read, monkeypatch, capsys):
    told = CollectionProgress(plans)
    end(plans[0])
    told.finished(*end(plans[1]))
    assert f"[1/{N}]" in capsys.readouterr().err
    monkeypatch.setattr(told, "_next_look", 0.0)
    told.finished(*end(plans[2]))
    assert f"[3/{N}]" in capsys.readouterr().err
    n_read()
    monkeypatch.setattr(told, "_next_look", 0.0)
    told.finished(*end(plans[3]))
    assert n_read() == 1  # that of the last one; what is over is not read again


def test_looks_take_a_small_share_of_the_time(plans, monkeypatch):
    now = [0.0]

    def slow(plan):
        now[0] += 1.0
        return False

    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(progress, "is_settled", slow)
    told = CollectionProgress(plans)
    assert told._next_look == pytest.approx(N + N / 0.02)


def test_a_part_is_made_of_what_has_ended_here_without_a_look_at_the_others(plans, n_read, tmp_path):
    kept = exchange_of(tmp_path, 2)
    for n, plan in enumerate(plans[:4]):
        end(plan)
        kept.ended(plan)
        assert len(list((tmp_path / "parts").glob("*.parquet"))) == (n + 1) // 2
    assert n_read() == 4
    end(plans[4])  # by another process, which was killed before it could
    kept.export(plans)
    assert Parts(tmp_path / "parts").keys() == {plan.key for plan in plans}


def test_beside_a_part_of_a_clock_that_is_ahead_parts_are_as_old_as_otherwise_before_the_next(plans, tmp_path):
    def n_parts():
        return len(list((tmp_path / "parts").glob("*.parquet")))

    kept = exchange_of(tmp_path, 50)
    end(plans[0])
    kept.export(plans)
    (part,) = (tmp_path / "parts").glob("*.parquet")
    os.utime(part, (time.time() + 86_400,) * 2)
    kept._last_part = time.time() - 1000
    for plan, n in ((plans[1], 2), (plans[2], 2)):
        end(plan)
        kept.ended(plan)
        assert n_parts() == n
