import shutil
from pathlib import Path
from typing import get_args

import pytest

import lightning_quicktune
from lightning_quicktune.replay.code import lesson_closure, lesson_code, replay_closure, replay_code
from lightning_quicktune.replay.methods import Lesson, Method, MethodName

NAMES = [*get_args(get_args(MethodName)[0]), "oracle"]
METHODS = [*(Method(name) for name in NAMES), Method("random", default_first=True)]
KEYS, LESSONS = {method.key for method in METHODS}, set(get_args(Lesson))
READING = ("report", "facts", "findings", "figure", "publish", "summary", "comparison", "regret")


def users_of(name):
    """Keys of the methods, and lessons, that depend on a file."""
    return {method.key for method in METHODS if name in replay_closure(method).sources} | {
        lesson for lesson in LESSONS if name in lesson_closure(lesson).sources
    }


@pytest.fixture
def package(tmp_path):
    """A copy of the package's sources."""
    source = Path(lightning_quicktune.__file__).parent
    for path in source.rglob("*.py"):
        target = tmp_path / source.name / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path / source.name


def edited(package, edits):
    """Which replays of three methods go on after each edit of a copied package."""
    methods, found = [Method(name) for name in ("optuna", "random", "zero_shot")], []
    for name, (before, after) in edits.items():
        text = (package / name).read_text()
        assert before in text
        (package / name).write_text(text.replace(before, after, 1))
        replay_closure.cache_clear()
        kept = [method.name for method in methods if replay_code(method, package) == replay_code(method)]
        (package / name).write_text(text)
        found.append((name, kept))
    replay_closure.cache_clear()
    return found


def test_an_edit_kills_the_replays_that_used_it_and_no_others(package):
    """Parses the package many times, which takes seconds."""
    edits = {
        "search/optuna_searcher.py": ("step = 1", "step = 2"),
        "search/build.py": ("ZeroShotSearcher()", "ZeroShotSearcher(*())"),
        "types.py": ("[:12]", "[:13]"),
        "replay/simulate.py": ("self._now = 0.0", "self._now = 1.0"),
        "evaluation/report.py": ("1 is best", "2 is best"),
        "search/progress.py": ("The progress of a search", "Other words for people"),
    }
    assert edited(package, edits) == [
        ("search/optuna_searcher.py", ["random", "zero_shot"]),
        ("search/build.py", ["optuna", "random"]),
        ("types.py", []),
        ("replay/simulate.py", []),
        ("evaluation/report.py", ["optuna", "random", "zero_shot"]),
        ("search/progress.py", ["optuna", "random", "zero_shot"]),
    ]


@pytest.mark.parametrize(
    ("name", "users"),
    [
        ("search/optuna_searcher.py", {"optuna"}),
        ("search/dehb_worker.py", {"dehb"}),  # started, not imported
        ("search/guarded_searcher.py", {"transfer_guarded"}),
        ("search/default_first_searcher.py", {"random-default_first"}),
        ("search/nearest.py", {"optuna", "dehb", "random_nearest"}),
        ("replay/oracle.py", {"oracle"}),
        ("surrogate/refit.py", {"quicktune"}),
        ("surrogate/curves/from_metadataset.py", {"curve_transfer", "transfer_guarded", "prior"}),
        ("surrogate/cost_model.py", {"transfer", "quicktune", "surrogates", "surrogates_undescribed"}),
        ("replay/forecast_of_curves.py", {"curve_transfer"}),
        ("types.py", KEYS | LESSONS),
        ("replay/splits.py", KEYS | LESSONS),
        ("metadataset/table.py", KEYS | LESSONS),
        ("space/numeric.py", KEYS | LESSONS),
        ("replay/simulate.py", KEYS),
        ("replay/pool.py", KEYS),
        ("replay/plan.py", set()),
        ("statistics/intervals.py", set()),
        *((f"evaluation/{module}.py", set()) for module in READING),
    ],
)
def test_what_depends_on_a_file(name, users):
    assert users_of(name) == users


def test_each_method_and_lesson_has_a_code_of_its_own():
    codes = {replay_code(method) for method in METHODS} | {lesson_code(lesson) for lesson in LESSONS}
    assert len(codes) == len(METHODS) + len(LESSONS)
