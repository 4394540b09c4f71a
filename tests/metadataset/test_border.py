import numpy as np

from lightning_quicktune.metadataset.arrays import CurveArrays
from lightning_quicktune.metadataset.border import Border, borders
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

SPACE = SearchSpace.from_dict(
    {
        "lr": {"key": "lr", "domain": {"type": "float", "bounds": [1e-4, 1.0], "log": True, "default": 0.1}},
        "rank": {
            "key": "rank",
            "domain": {"type": "categorical", "choices": [8, 2, 32], "ordered": True, "default": 8},
            "when": {"kind": ["a", "b"]},
        },
        "kind": {"key": "kind", "domain": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a"}},
        "flag": {"key": "flag", "domain": {"type": "bool", "default": False}},
    }
)
CONFIGURATIONS = [
    Configuration({"lr": lr, "kind": kind, "flag": True, **({} if rank is None else {"rank": rank})})
    for lr, kind, rank in [(0.001, "a", 8), (0.01, "b", 2), (0.1, "a", 32), (1.0, "c", None)]
]


def arrays_of(final):
    final = np.asarray(final, dtype=np.float64)
    scores = final[..., None]
    outcome = np.where(np.isfinite(final), "full", "").astype(object)
    return CurveArrays(
        tasks=tuple(f"t{i}" for i in range(len(final))),
        configurations=tuple(CONFIGURATIONS),
        scores=scores,
        costs_s=scores,
        costs_cpu_s=scores,
        lengths=np.isfinite(final).astype(np.int64),
        outcome=outcome,
        max_fidelity=np.isfinite(final).astype(np.int64),
        datasets=tuple(f"t{i}" for i in range(len(final))),
    )


def test_tasks_are_counted_whose_best_value_is_the_smallest_or_largest():
    found = borders(
        arrays_of(
            [
                [0.9, 0.1, 0.2, 0.3],  # lr smallest, rank first in its order
                [0.1, 0.2, 0.3, 0.9],  # lr largest, no rank
                [0.1, 0.9, 0.3, 0.2],  # both inside
                [0.1, 0.2, 0.9, np.nan],  # largest of what was tried there
                [np.nan, np.nan, 0.9, 0.1],  # two values only
                [0.5, 0.1, 0.5, 0.1],  # both best ones must lie there
            ]
        ),
        SPACE,
    )
    assert found == {"lr": Border(1, 2, 5), "rank": Border(1, 1, 4)}


def test_constant_scores_have_no_best_value_on_the_border():
    assert borders(arrays_of([[0.5] * 4, [np.nan] * 4]), SPACE)["lr"] == Border(0, 0, 1)
