from lightning_quicktune.tuning.live.chart import chart


def rows(*args):
    return [row for row, _ in chart(*args)]


def test_the_curve_rises_where_the_score_did():
    assert rows([(0, 0.0), (50, 1.0)], {}, 90, 100, 10, 3) == [
        "     ━━━━━",
        "     ┃    ",
        "━━━━━━    ",
    ]


def test_it_ends_at_the_present():
    assert rows([(0, 0.0), (20, 1.0)], {}, 50, 100, 10, 2) == ["  ━━━━    ", "━━━       "]


def test_levels_run_through_and_are_named():
    drawn = chart([(10, 1.0)], {"zero-shot": 0.0, "your recipe": 0.45}, 50, 100, 10, 3)
    assert [names for _, names in drawn] == [[], ["your recipe"], ["zero-shot"]]
    assert drawn[1][0] == drawn[2][0] == "╌" * 10
    assert "━" in drawn[0][0]


def test_levels_of_one_row_share_it():
    drawn = chart([(0, 1.0)], {"a": 0.0, "b": 0.01}, 1, 1, 4, 2)
    assert drawn[1][1] == ["a", "b"]


def test_one_value_alone_and_none_at_all():
    assert rows([(0, 0.5)], {}, 10, 10, 4, 2) == ["    ", "━━━━"]
    assert chart([], {}, 10, 10, 4, 2) == []


def test_a_curve_that_goes_beyond_the_end_stays_inside():
    assert all(len(row) == 6 for row in rows([(0, 0.1), (130, 0.3)], {"a": 0.2}, 150, 100, 6, 4))
