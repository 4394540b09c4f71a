import pytest

from lightning_quicktune.tuning.live.saying import clock_time, in_ascii, predicted, score, sparkline


@pytest.mark.parametrize(
    ("value", "expected"), [(0.6214, ".621"), (1.0, "1.00"), (0.0, ".000"), (-0.05, "-.050"), (0.9999, "1.00")]
)
def test_a_score_is_short(value, expected):
    assert score(value) == expected


def test_a_prediction_has_its_deviation():
    assert predicted(0.584, 0.1511) == ".58 ± .15"
    assert predicted(1.02, 0.0) == "1.02 ± .00"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "0:00"), (65.9, "1:05"), (3599, "59:59"), (3661, "1:01:01"), (-3, "0:00")]
)
def test_time_is_a_clocks(seconds, expected):
    assert clock_time(seconds) == expected


def test_a_sparkline_rises_with_its_curve_and_fits():
    assert sparkline([0.1, 0.2, 0.8], 10) == "▁▂█"
    assert sparkline([0.5, 0.5], 10) == "▄▄"
    long = sparkline([n / 100 for n in range(100)], 8)
    assert long == "▁▂▃▄▅▆▇█"


def test_whatever_the_panel_says_can_be_said_in_ascii():
    text = "━─╌┃ .58 ± .15 · ▁▂▃▄▅▆▇█ …"
    assert in_ascii(text).isascii()
    assert ".58 +- .15" in in_ascii(text)
