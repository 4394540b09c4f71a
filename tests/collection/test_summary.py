from dataclasses import replace

from lightning_quicktune.collection.summary import summarize
from lightning_quicktune.types import Configuration, LearningCurve, Overheads, SliceResult, Trial


def trial(lr: float, failure: str | None = None) -> Trial:
    slices = tuple(SliceResult(f, score=0.5, cost_s=3.0, cost_cpu_s=3.0, cost_tokens=10) for f in (1, 2))
    return Trial(
        task="colours",
        base_model="tiny",
        metric="exact_match",
        configuration=Configuration({"lr": lr}),
        seed=0,
        max_fidelity=2,
        curve=LearningCurve(slices),
        status="failed" if failure else "completed",
        failure=failure,
        overheads=Overheads(start_s=lr),
    )


def test_speed_and_overheads_are_of_the_new_trials_and_failures_of_all():
    old, *new = [trial(1.0, "diverged"), trial(2.0), trial(4.0, "out_of_memory: a"), trial(6.0, "out_of_memory: b")]
    summary = summarize([old, *new], {t.key: 0 for t in new}, seconds=30.0, workers=2)
    assert summary["failures"] == {"diverged": 1, "out_of_memory": 2}
    assert (summary["trials"], summary["new_trials"]) == (4, 3)
    assert summary["trials_per_hour"] == 360
    assert summary["training_share"] == 18 / 60
    assert summary["overhead_s"]["start_s"] == 4.0
    assert summary["peak_memory_bytes"] > 10_000_000


def test_what_an_error_interrupted_is_no_failure_and_counted_apart():
    ended, lost = trial(1.0), replace(trial(2.0, "error: no disk"), status="interrupted")
    summary = summarize([ended, lost], {ended.key: 0, lost.key: 0}, seconds=12.0, workers=1)
    assert (summary["trials"], summary["new_trials"], summary["interrupted"]) == (1, 1, 1)
    assert summary["failures"] == {}
    assert summary["training_share"] == 1.0


def test_a_start_that_had_nothing_to_run_has_a_summary_too():
    summary = summarize([trial(1.0)], {}, seconds=2.0, workers=1)
    assert summary["trials_per_hour"] == 0
    assert summary["overhead_s"] == {}


def test_slices_of_an_earlier_start_are_not_of_this_one():
    resumed = trial(1.0)
    assert summarize([resumed], {resumed.key: 1}, seconds=6.0, workers=1)["training_share"] == 0.5
