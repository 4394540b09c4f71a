"""The experience that is wrong has the same curves, of other configurations."""

from pathlib import Path

import pytest

from lightning_quicktune.metadataset.folder import load, save

TOOLS = Path(__file__).parents[2] / "tools" / "benchmarks"


@pytest.fixture
def misled(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import misled_experience

    return misled_experience.misled


def test_all_tasks_agree_on_what_is_wrong(misled, tmp_path):
    true = load("smollm2")
    wrong = load(save(misled(true, 0), tmp_path / "wrong"))
    curves = {(row.task, row.configuration.id): row.scores for row in true.curves()}
    found = {(row.task, row.configuration.id): row.scores for row in wrong.curves()}
    assert sorted(curves.values()) == sorted(found.values())
    assert set(curves) == set(found)
    (first, *others) = true.task_names
    ids = sorted({config_id for _, config_id in curves})
    stands_for = {new: next(old for old in ids if curves[first, old] == found[first, new]) for new in ids}
    assert sum(new != old for new, old in stands_for.items()) > len(ids) / 2
    assert all(found[task, new] == curves[task, old] for task in others for new, old in stands_for.items())
    assert wrong.meta["origin"].endswith("; shuffled")
