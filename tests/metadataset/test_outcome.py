import math

import pytest

from lightning_quicktune.metadataset.outcome import ENDED, final_score, outcome


@pytest.mark.parametrize(
    ("status", "failure", "fidelity", "came"),
    [
        ("completed", None, 4, "full"),
        ("stopped", None, 4, "full"),
        ("stopped", None, 2, "partial"),
        ("failed", "diverged", 2, "failed"),
        ("failed", "out_of_memory: batch of 8 records", 0, "failed"),
        ("failed", "error: OSError: gone", 3, "interrupted"),
        ("interrupted", "error: OSError: gone", 4, "interrupted"),
    ],
)
def test_what_came_of_a_trial_is_told_by_its_record(status, failure, fidelity, came):
    assert outcome(status, failure, fidelity, 4) == came


def test_only_a_full_training_has_a_final_score():
    assert final_score("full", [0.1, 0.3]) == 0.3
    assert all(math.isnan(final_score(came, [0.1, 0.3])) for came in ("failed", "partial", "interrupted"))
    assert ENDED == ("full", "failed")
