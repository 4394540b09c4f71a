import pytest

from lightning_quicktune.tuning.live.seen import Seen
from lightning_quicktune.tuning.rows import Compared
from lightning_quicktune.tuning.watcher import Reason


@pytest.fixture
def events():
    return []


@pytest.fixture
def seen(events):
    return Seen(on_event=events.append)


def test_a_slice_ends_where_its_steps_begin_again(seen, story):
    story(seen).describe().compare().begin(1e-3, to=3)
    ((config_id, running),) = seen.running.items()
    places = []
    for step in (1, 2, 3) * 3:
        seen.step(config_id, step, 3)
        places.append((running.slice, running.step))
    assert places == [(s, step) for s in (1, 2, 3) for step in (1, 2, 3)]


def test_a_trial_that_goes_on_does_so_from_its_next_slice(seen, story):
    story(seen).describe().compare().begin(1e-3).end(1e-3, 0.4).begin(1e-3, to=6)
    (running,) = seen.running.values()
    assert (running.slice, running.to) == (4, 6)


def test_steps_of_something_unknown_are_passed_over(seen):
    seen.step("nobody", 1, 2)
    assert seen.running == {}


def test_each_thing_happens_once_at_its_time(seen, story, events):
    story(seen).describe().compare().begin(1e-3).end(1e-3, 0.4).end(2e-3, 0.3).judge().judge().judge(is_unlike=True)
    assert [(event.at_s, event.kind) for event in events] == [
        (0.0, "stage"),
        (60.0, "fact"),
        (60.0, "score"),
        (60.0, "stage"),
        (60.0, "begun"),
        (120.0, "score"),
        (180.0, "score"),
        (180.0, "fact"),
        (180.0, "fact"),  # judged anew
    ]
    assert events[1].words == (
        "zero-shot answer_likelihood .291; 96 train, 12 validation, 12 test records; a slice is 64 records, a full "
        "training 8 slices"
    )
    assert events[2].words == "your recipe: validation .348; on test answer_likelihood .331, exact_match .250"
    assert events[6].words.endswith("; best .400")
    assert events[8].words.startswith("This task is unlike those that are known")


def test_the_curve_rises_with_the_best_score_alone(seen, story):
    story(seen).describe().compare().end(1e-3, 0.4).end(2e-3, 0.3).end(3e-3, 0.5)
    assert seen.curve == [(120.0, 0.4), (240.0, 0.5)]
    assert (seen.best.score, seen.best.fidelity, seen.slices) == (0.5, 3, 9)


def test_a_trial_that_failed_is_said_to_have(seen, story, events):
    story(seen).describe().compare().end(1e-3, 0.4, n=0, failed=True)
    assert seen.best is None
    assert (events[-1].kind, events[-1].words) == (
        "failure",
        "adamw, lr 1e-3, rank 32, batch 8 ended early after slice 0; the search goes on without it",
    )


def test_a_row_that_is_trained_is_called_by_whose_recipe_it_is(seen, story, events):
    told = story(seen).describe()
    told.begin(1e-3, to=8, reason=Reason("to compare with"))
    assert events[-1].words == "training adamw, lr 1e-3, rank 32, batch 8 to slice 8: to compare with"
    (config_id,) = seen.running
    seen.compared(Compared("recipe", config_id, 8, 0.3, {}))
    assert seen.running == {}
    assert seen.levels == {"zero-shot": 0.291, "your recipe": 0.3}


def test_before_the_budget_begins_time_passes_all_the_same():
    times = iter([10.0, 14.0, 15.5])
    seen = Seen(now=lambda: next(times))
    assert (seen.spent_s, seen.stage_s) == (4.0, 5.5)


def test_a_recipe_of_the_package_is_not_called_the_user_s(seen):
    seen.started(None, has_shipped_recipe=True)
    seen.compared(Compared("recipe", None, 4, 0.348, {"answer_likelihood": 0.331}))
    assert seen.levels == {"the shipped recipe": 0.348}
    assert seen.events[-1].words.startswith("the shipped recipe: validation .348")
