import os
import sys
from pathlib import Path

import pytest

from lightning_quicktune.search.dehb_process import VARIABLE
from lightning_quicktune.search.dehb_searcher import DehbSearcher
from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.loop import run_search
from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.types import Budget

PYTHON = Path(os.environ.get(VARIABLE, Path(__file__).parents[2] / ".venv-dehb" / "bin" / "python"))
needs_dehb = pytest.mark.skipif(not PYTHON.is_file(), reason="tools/install_dehb was not run")

# Stands in for DEHB: proposes the same few configurations at growing fidelities, then ever new ones.
FAKE = """
import json, sys
print_ = lambda answer: print(json.dumps(answer), flush=True)
settings, n = json.loads(sys.stdin.readline()), 0
for line in sys.stdin:
    if "tell" in json.loads(line):
        print_({})
        continue
    config_id, fidelity = (n % 3, 1.0) if n < 3 else (n % 3, 2.4) if n < 5 else (n, 9.0)
    draws = {"lr": 10.0 ** -(1.5 + n % 3), "big": 0.0}
    print_({"job": n, "config_id": config_id, "fidelity": fidelity, "draws": draws})
    n += 1
"""


@pytest.fixture
def pool(space):
    return candidate_pool(space, 8, seed=0)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    script, python = tmp_path / "fake.py", tmp_path / "python"
    script.write_text(FAKE)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n')
    python.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(python))


def played(searcher, new_executor, clock, slices):
    executor = new_executor()
    result = run_search(searcher, executor, Budget(slices=slices), None, clock=clock)
    return executor.submitted, result


@pytest.mark.usefixtures("fake")
def test_a_proposal_that_comes_again_goes_on_with_the_same_member(pool, space, new_executor, clock):
    submitted, result = played(DehbSearcher(pool, space, 9, seed=0), new_executor, clock, slices=200)
    ids = [config_id for config_id, _ in submitted]
    assert [fidelity for _, fidelity in submitted][:3] == [1, 1, 1]
    assert len(set(ids[:3])) == 3
    failed = {e.observation.configuration.id for e in result.entries if e.observation.failed}
    assert all((config_id, 3) in submitted for config_id in set(ids[:2]) - failed)  # 2.4 slices, rounded up
    assert result.stopped_by == "exhausted"
    assert {c for c, fidelity in submitted if fidelity == 9} | failed == {c.id for c in pool}


@pytest.mark.usefixtures("fake")
def test_its_fidelities_are_shares_of_own_trainings(pool, space, new_executor, clock):
    lengths = Lengths(9, {c.id: 27 for c in pool})
    threefold, _ = played(DehbSearcher(pool, space, lengths, seed=0), new_executor, clock, slices=600)
    usual, _ = played(DehbSearcher(pool, space, 9, seed=0), new_executor, clock, slices=200)
    assert [(c, fidelity / 3) for c, fidelity in threefold][:3] == [(c, float(f)) for c, f in usual][:3]
    assert max(fidelity for _, fidelity in threefold) == 27


@pytest.mark.usefixtures("fake")
def test_told_again_a_new_searcher_suggests_what_the_first_would(pool, space, new_executor, clock):
    first, second = (DehbSearcher(pool, space, 9, seed=0) for _ in range(2))
    _, result = played(first, new_executor, clock, slices=7)
    for entry in result.entries:
        second.tell(entry.observation)
    assert second.ask() == first.ask()


@pytest.mark.usefixtures("fake")
def test_parallel_suggestions_differ_and_are_pending(pool, space):
    searcher = DehbSearcher(pool, space, 9, seed=0)
    asked = {searcher.ask().configuration for _ in range(3)}
    assert len(asked) == 3
    assert searcher.pending == asked


def test_without_its_environment_the_tool_that_makes_it_is_named(pool, space, monkeypatch):
    monkeypatch.setenv(VARIABLE, "/nowhere/python")
    with pytest.raises(FileNotFoundError, match=r"there is no /nowhere/python. Run `tools/install_dehb`"):
        DehbSearcher(pool, space, 9, seed=0)


def test_a_process_that_ends_tells_its_last_words(pool, space, tmp_path, monkeypatch):
    (tmp_path / "python").write_text("#!/bin/sh\nread settings\necho No module named dehb >&2\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "python"))
    searcher = DehbSearcher(pool, space, 9, seed=0)
    with pytest.raises(RuntimeError, match=r"ended with exit code 1 .*No module named.*`tools/install_dehb`"):
        searcher.ask()


@needs_dehb
@pytest.mark.slow  # DEHB takes seconds to import
def test_dehb_itself_searches_and_goes_on(pool, space, new_executor, clock):
    first, second = (DehbSearcher(pool, space, 9, seed=0) for _ in range(2))
    submitted, result = played(first, new_executor, clock, slices=20)
    assert {fidelity for _, fidelity in submitted[:-1]} <= {1, 3, 9}
    for entry in result.entries[:-1]:
        second.tell(entry.observation)
    assert second.ask().configuration == result.entries[-1].suggestion.configuration
