import pytest

from lightning_quicktune.arguments.durations import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1h 30m 5s", 5405),
        ("10 minutes", 600),
        ("1 Minute", 60),
        ("90 sec", 90),
        ("2 hours", 7200),
    ],
)
def test_a_span_is_read_as_people_write_it(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["0", "0m", "-1h", "", "minutes", "10 bananas", "10m extra", "m10", "ss"])
def test_what_is_no_span_above_zero_is_refused_with_what_is_expected(text):
    with pytest.raises(ValueError, match=r"but a time above 0 is expected\. Write it as in 30s, 10m, 2h or 1h30m\."):
        seconds_of(text)


def test_a_number_without_a_unit_is_asked_for_one():
    with pytest.raises(ValueError, match=r"^10, but it needs a unit: 10s, 10m or 10h\."):
        seconds_of("10")
