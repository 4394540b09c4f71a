import pytest

from lightning_quicktune.tuning.live.seen import Seen
from lightning_quicktune.tuning.live.view import WIDEST, view


@pytest.fixture
def seen():
    return Seen()


def text(seen, width=100, height=30, **named):
    return "\n".join(line.plain.rstrip() for line in view(seen, width, height, **named))


def searched(seen, story):
    told = story(seen).describe().compare()
    told.begin(1e-4).end(1e-4, 0.45).judge().begin(8e-4).end(8e-4, 0.621).begin(1e-3, to=5)
    seen.step(told_id(1e-3, seen), 4, 10)
    return told


def told_id(lr, seen):
    return next(
        config_id for config_id, running in seen.running.items() if f"lr {lr:.0e}".replace("e-0", "e-") in running.words
    )


def test_before_anything_is_loaded_it_says_so(seen):
    assert "loading PyTorch" in text(seen)


def test_a_search_is_told_in_full(seen, story):
    searched(seen, story)
    shown = text(seen)
    assert "7:00 left of 10:00" in shown
    assert "training     adamw, lr 1e-3, rank 32, batch 8" in shown
    assert "slice 1 of 5  step 4 of 10 ━" in shown
    assert "predicted .58 ± .15; most worth its price" in shown
    assert "best         .621 adamw, lr 8e-4, rank 32, batch 8, slice 3" in shown
    assert "╌ zero-shot .291" in shown
    assert "╌ your recipe .348" in shown
    assert "like earlier tasks, by 3 scores" in shown
    assert ".621 at slice 3 by adamw, lr 8e-4, rank 32, batch 8; the best so far" in shown


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("height", [5, 10, 16, 24, 60])
def test_nothing_is_wider_or_higher_than_the_terminal(seen, story, width, height):
    searched(seen, story)
    lines = view(seen, width, height)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= min(width, WIDEST)
    assert any("left of" in line.plain for line in lines)


def test_a_low_terminal_gets_a_sparkline_and_the_scores_beside_it(seen, story):
    searched(seen, story)
    shown = text(seen, 40, 16)
    assert "▁█" in shown
    assert "beside    zero-shot .291, recipe .348" in shown
    assert "╌" not in shown


def test_a_terminal_that_knows_ascii_alone_gets_nothing_else(seen, story):
    searched(seen, story)
    for height in (16, 40):
        assert text(seen, 60, height, ascii_only=True).isascii()
    assert ".58 +- .15" in text(seen, 60, 40, ascii_only=True)


def test_of_many_trainings_at_once_three_are_shown(seen, story):
    told = story(seen).describe().compare()
    for n in range(1, 6):
        told.begin(n * 1e-3)
    assert text(seen).count("training  ") == 3
    assert "and 2 more beside them" in text(seen)


def test_what_a_person_should_know_is_told_in_full(seen, story):
    searched(seen, story)
    seen.note("stopping: the slice that trains is finished first, then tests; Ctrl-C again pauses")
    shown = text(seen, 40, 30)
    assert " ".join(shown.split("last", 1)[1].split()).endswith(
        "stopping: the slice that trains is finished first, then tests; Ctrl-C again pauses"
    )


def test_without_a_budget_of_time_there_is_no_bar(seen, story):
    story(seen, total_s=None).describe()
    assert "1:00 so far" in text(seen)
    assert "─" not in text(seen)


def test_the_last_state_says_how_long_it_took(seen, story):
    searched(seen, story)
    seen.done(None)
    assert text(seen).startswith("tune shop")
    assert "done in 3:00" in text(seen)
    assert "training  " not in text(seen)
    assert ".621" in text(seen)


def test_colours_are_styles_and_never_letters(seen, story):
    searched(seen, story)
    assert "\x1b" not in text(seen)
