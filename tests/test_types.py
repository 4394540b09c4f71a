import pytest

from lightning_quicktune.types import Configuration, LearningCurve, Trial


def trial(status, failure=None):
    return Trial("task", "nano", "exact_match", Configuration({"lr": 0.1}), 0, 4, LearningCurve(), status, failure)


@pytest.mark.parametrize(
    ("status", "failure", "expected"),
    [
        ("failed", "diverged", "failed"),
        ("failed", "out_of_memory: batch of 4 records of at most 64 tokens", "failed"),
        ("failed", "error: OSError: no such file", "interrupted"),  # as earlier versions wrote it
        ("interrupted", "error: OSError: no such file", "interrupted"),
        ("completed", None, "completed"),
    ],
)
def test_a_record_comes_back_and_an_error_of_earlier_versions_interrupted(status, failure, expected):
    again = Trial.from_dict(trial(status, failure).to_dict())
    assert (again.status, again.failure) == (expected, failure)


@pytest.mark.parametrize(
    ("status", "ended"),
    [("completed", True), ("failed", True), ("interrupted", False), ("stopped", False), ("paused", False)],
)
def test_what_has_ended_is_never_trained_further(status, ended):
    assert trial(status).has_ended is ended


def test_a_record_of_a_newer_version_says_what_is_not_known_of_it():
    newer = {**trial("completed").to_dict(), "weather": "fair", "mood": 1}
    with pytest.raises(ValueError, match=r"trial on 'task' has 'mood', 'weather', .*a newer one wrote it.*pip install"):
        Trial.from_dict(newer)
