"""What workers say, from one process to another."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from lightning_quicktune.trials.executors.messages import event_bytes, read_event
from lightning_quicktune.trials.executors.worker import (
    Brief,
    Ended,
    Idle,
    LeftOver,
    Place,
    Raised,
    Recorded,
    Stepped,
)
from lightning_quicktune.types import LearningCurve, SliceResult


@pytest.mark.parametrize(
    "event",
    [
        Recorded(Path("trials/a b")),
        Stepped("abc", 1, 4),
        Ended("trials/a", None),
        LeftOver(("trials/a", "trials/b"), 2),
        Idle(),
    ],
)
def test_an_event_arrives_as_it_was_said(event):
    assert read_event(event_bytes(event)) == event


def test_a_record_arrives_with_every_digit(make_plan):
    slices = (SliceResult(1, 1 / 3, 0.1 + 0.2, 2.0, 640, {"loss": math.inf}, None, {"loss": 1e-300}),)
    trial = replace(make_plan("trial").blank, curve=LearningCurve(slices), status="paused")
    said = Ended("trials/a", trial, 1.1, 3, 0.7)
    assert read_event(event_bytes(said)) == said


@pytest.mark.parametrize(
    ("error", "kind", "number"),
    [
        (FileNotFoundError(2, "No such file"), FileNotFoundError, 2),
        (OSError(28, "The disk is full"), OSError, 28),
        (ValueError("`lr` is 3"), ValueError, None),
        (KeyError("lora"), RuntimeError, None),
    ],
)
def test_an_error_keeps_its_words_and_what_callers_tell_it_by(error, kind, number):
    arrived = read_event(event_bytes(Raised.of(error)))
    assert type(arrived.error) is kind
    assert str(arrived.error) == str(Raised.of(error).error)
    assert getattr(arrived.error, "errno", None) == number


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("There is no base model `gone`"),
        OSError("can't be read now"),
        FileNotFoundError(2, "No such file or directory", "data/train.jsonl"),
        OSError(28, "No space left on device", "trials/a/last.ckpt"),
    ],
)
def test_an_error_of_files_arrives_in_its_own_words_with_its_file(error):
    arrived = read_event(event_bytes(Raised.of(error)))
    assert (type(arrived.error), str(arrived.error)) == (type(error), str(error))
    assert arrived.error.filename == error.filename


def test_what_is_no_event_is_refused():
    with pytest.raises(ValueError, match="A worker said 'Dance', which is no event"):
        read_event(b'{"event": "Dance"}')


@pytest.mark.parametrize("place", [None, Place("sqlite:///mlflow.db", "trials")])
def test_what_a_worker_is_told_is_the_same_from_json(place):
    brief = Brief("auto", 2, place, {"model": {"init_args": {}}}, True, 2)
    assert Brief.from_dict(json.loads(json.dumps(brief.to_dict()))) == brief
