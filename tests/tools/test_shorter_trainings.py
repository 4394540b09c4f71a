"""Short trainings beside the beginnings of long ones: the same records, datasets and configurations."""

from pathlib import Path

import numpy as np
import pytest

from lightning_quicktune.metadataset.folder import load

TOOLS = Path(__file__).parents[2] / "tools" / "benchmarks"


@pytest.fixture
def shorter(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import shorter_trainings

    return shorter_trainings


def test_recorded_ones_are_of_the_same_dataset_and_configuration(shorter):
    short, long = load("smollm2"), load("smollm2_cohort")
    pairs = shorter.recorded(short, long)
    assert pairs
    for one, other in pairs:
        assert short.datasets[one.task] == long.datasets[other.task]
        assert one.configuration == other.configuration
        assert (len(one.scores), len(other.scores)) == (one.max_fidelity, other.max_fidelity)
    said = shorter.of_tables(short, long)
    assert said.startswith(f"{len({long.datasets[other.task] for _, other in pairs})} datasets, ")
    assert "| 144 records |" in said


def test_a_line_has_both_means_and_the_gain_of_all_and_of_the_first(shorter):
    begun, ended = np.array([[0.1, 0.3], [0.2, 0.4]]), np.array([[0.3, 0.3], [0.4, 0.4]])
    cells = [cell.strip() for cell in shorter.line("2", begun, ended).strip("|\n").split("|")]
    assert cells[:3] == ["2", "0.250", "0.350"]
    assert cells[3].startswith("+0.100 [")
    assert cells[4:6] == ["0.150", "0.350"]
    assert cells[6] == "+0.200 [+0.200, +0.200]"
