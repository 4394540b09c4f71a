"""What has to be beaten while a trial that was begun is ahead."""

import numpy as np

from lightning_quicktune.acquisition.leader import to_beat

MEAN = np.array([[0.5, 0.6, 0.8], [0.4, 0.5, 0.7], [0.1, 0.2, 0.3]])
COST = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 2.0, 6.0]])


def test_before_anything_was_begun_it_is_the_best_score():
    np.testing.assert_array_equal(to_beat(MEAN, COST, np.zeros(0, dtype=np.int64), 0.55), np.full((3, 3), 0.55))


def test_others_have_to_beat_what_the_leader_gains_for_their_money():
    """The leader gains .25 in 3 s: a third of it in one, and not more than all of it in any time."""
    beaten = to_beat(MEAN, COST, np.array([0, 2]), 0.55)
    np.testing.assert_array_equal(beaten[0], 0.55)
    np.testing.assert_allclose(beaten[1:], np.tile(0.55 + 0.25 * np.array([1 / 3, 2 / 3, 1.0]), (2, 1)))


def test_only_what_was_begun_leads_and_only_if_it_gains():
    np.testing.assert_array_equal(to_beat(MEAN, COST, np.array([2]), 0.55), np.full((3, 3), 0.55))


def test_a_leader_whose_end_is_out_of_reach_gains_only_what_will_be_seen():
    """It gains .05 in 2 s: half of it in one."""
    beaten = to_beat(MEAN, COST, np.array([0]), 0.55, np.array([1, 2, 2]))
    np.testing.assert_allclose(beaten[1:], np.tile(0.55 + 0.05 * np.array([0.5, 1.0, 1.0]), (2, 1)))
