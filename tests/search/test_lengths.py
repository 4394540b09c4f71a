import pytest

from lightning_quicktune.search.lengths import Lengths, as_lengths


def test_what_is_not_listed_has_the_usual_length():
    lengths = Lengths(9, {"short": 4, "long": 12})
    assert [lengths.of(config_id) for config_id in ("short", "long", "other")] == [4, 12, 9]
    assert lengths.longest == 12
    assert lengths.differ
    assert not Lengths(9, {"short": 9}).differ
    assert as_lengths(9) == Lengths(9)
    assert as_lengths(lengths) is lengths


@pytest.mark.parametrize(("share", "slices"), [(1e-6, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (1.0, 4)])
def test_a_share_is_rounded_up_to_whole_slices(share, slices):
    assert Lengths(9, {"short": 4}).at_share("short", share) == slices


@pytest.mark.parametrize("usual", [1, 7, 49, 52])
def test_shares_of_the_usual_length_are_its_own_slices(usual):
    assert [Lengths(usual).at_share("any", f / usual) for f in range(1, usual + 1)] == list(range(1, usual + 1))
