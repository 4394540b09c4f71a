import numpy as np
import pandas as pd
import pytest

from lightning_quicktune.evaluation.comparison import compare
from lightning_quicktune.evaluation.settings import PrimaryComparison
from lightning_quicktune.evaluation.summary import summarise

CLUSTERS = {f"t{i}": i for i in range(8)}


@pytest.fixture
def summary():
    """Method a is better than b by 0.2 with a spread of 0.1, and like c."""
    noise = np.random.default_rng(0).normal(0.0, 0.1, 8)
    means = {"a": np.zeros(8), "b": 0.2 + noise - noise.mean(), "c": np.tile([0.1, -0.1], 4)}
    rows = [
        {"method": m, "task": f"t{t}", "seed": s, "budget": b, "regret": means[m][t] + 0.01 * s, "test_score": np.nan}
        for m in means
        for t in range(8)
        for s in range(2)
        for b in (1.0, 2.0)
    ]
    return summarise(pd.DataFrame(rows).assign(unit="full trainings"), CLUSTERS, 0)


def test_the_primary_comparison_comes_first_and_is_not_corrected(summary):
    primary = PrimaryComparison("random", "default", 2.0, "known")
    found = compare({"known": summary}, "a", primary, CLUSTERS, 0)
    assert not any(each.is_primary for each in found)
    object.__setattr__(primary, "method", "a")  # names that the fixture uses
    object.__setattr__(primary, "against", "b")
    first, *others = compare({"known": summary}, "a", primary, CLUSTERS, 0)
    assert (first.is_primary, first.against, first.budget) == (True, "b", 2.0)
    assert first.gain == pytest.approx(0.2)
    assert first.lower < 0.2 < first.upper
    per_task = (summary.per_seed[1] - summary.per_seed[0]).mean(axis=1)[:, 1]
    assert first.standardised == pytest.approx(0.2 / per_task.std(ddof=1))
    assert first.p == pytest.approx(2 / 2**8)  # all eight tasks have the same sign
    assert len(others) == 3
    assert not any(each.is_primary for each in others)
    assert next(e for e in others if e.against == "b").p == pytest.approx(3 * 2 / 2**8)
    assert [e.p for e in others if e.against == "c"] == [1.0, 1.0]
