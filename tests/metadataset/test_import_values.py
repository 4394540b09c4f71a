"""Hyperparameters as tools export them: nested names, text among numbers, cells that are empty for no known reason."""

import numpy as np
import pandas as pd
import pytest

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.import_table import import_table

N = 6


@pytest.fixture
def run(tmp_path):
    def run(columns, kind="csv", **changes):
        frame = pd.DataFrame(
            {"task": "t", "config_id": range(N), "fidelity": 1, "score": np.linspace(0.1, 0.6, N), **columns}
        )
        path = tmp_path / f"t.{kind}"
        frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
        fields = {"origin": "tests", "licence": "MIT", "hyperparameters": list(columns)}
        return import_table(ImportSettings(str(path), str(tmp_path / "out"), **{**fields, **changes}))

    return run


def values_of(imported):
    """The configuration of each row, in the order of the rows."""
    curves = sorted(load(imported.folder).curves(), key=lambda curve: curve.scores)
    return [dict(curve.configuration.values) for curve in curves]


def test_names_that_nest_are_made_to_head_a_column(run):
    found = run({"optimizer.lr": np.arange(N) / 10, "config/batch-size": [8, 16] * 3, "seed": range(N), "ß": range(N)})
    assert set(found.table.space.names) == {"optimizer_lr", "config_batch_size", "seed_", "_ß"}
    assert "`optimizer.lr` is called `optimizer_lr`" in found.notes
    with pytest.raises(ValueError, match=r"'a\.b' and 'a/b' would both be called 'a_b'.*Rename"):
        run({"a.b": range(N), "a/b": range(N)})


def test_text_among_numbers_is_a_choice_beside_them(run):
    found = run({"gamma": ["auto", "0.1", "1e-3", "scale", "inf", "0.1"], "lr": range(N)})
    kinds = ["auto", "number", "number", "scale", "inf", "number"]
    assert [row["gamma_kind"] for row in values_of(found)] == kinds
    assert [row.get("gamma") for row in values_of(found)] == [None, 0.1, 0.001, None, None, 0.1]
    note = "`gamma` is text in some (auto, inf, scale): `gamma_kind` tells which, and `gamma` is there where it is"
    assert found.notes[1].startswith(note)


def test_an_empty_cell_that_nothing_explains_is_a_choice(run):
    found = run(
        {"depth": ["None", 4, 8, 4, "", 2], "amp": ["True", "", "", "True", "True", ""], "lr": np.arange(N) / 7}
    )
    assert [row.get("depth") for row in values_of(found)] == [None, 4, 8, 4, None, 2]
    assert [row["depth_kind"] for row in values_of(found)] == ["empty", *["number"] * 3, "empty", "number"]
    assert [row["amp"] for row in values_of(found)] == ["true", "empty", "empty", "true", "true", "empty"]
    assert "`amp` is empty in 3 of 6 configurations, which counts as the choice 'empty'" in found.notes


def test_an_empty_cell_that_another_hyperparameter_explains_is_inactive(run):
    found = run({"optimizer": ["sgd", "adam"] * 3, "momentum": [0.9, ""] * 3, "lr": range(N)})
    assert found.constants == {"momentum": 0.9}
    assert "left out `momentum`, which is 0.9 in every configuration that has it" in found.notes
    found = run({"kernel": ["rbf", "rbf", "linear"] * 2, "gamma": ["auto", 0.5, "", "auto", 0.25, ""]})
    assert [row["gamma_kind"] for row in values_of(found)] == ["auto", "number", "empty"] * 2


def test_numbers_written_as_text_are_numbers_and_dates_text(run):
    found = run(
        {"lr": ["1e-4", "3e-4", "1e-1"] * 2, "day": pd.to_datetime(["2024-01-01", "2024-02-01"] * 3)}, "parquet"
    )
    assert [row["lr"] for row in values_of(found)[:3]] == [1e-4, 3e-4, 1e-1]
    assert values_of(found)[0]["day"].startswith("2024-01-01")


def test_integers_that_would_become_one_are_refused(run):
    with pytest.raises(ValueError, match=r"'hash' has the value 1152921504606846976, but whole numbers beyond"):
        run({"hash": [2**60 + i for i in range(N)]})


def test_what_is_known_only_after_a_training_is_no_hyperparameter(run):
    found = {"lr": range(N), "cost_s": 1.0}
    with pytest.raises(ValueError, match=r"names 'score', which is `columns\.score` and known only after"):
        run(found, hyperparameters=["lr", "score"])
    with pytest.raises(ValueError, match=r"names 'cost_s', which is `columns\.cost`"):
        run({**found}, hyperparameters=["lr", "cost_s"])
    with pytest.raises(ValueError, match=r"names 'lr' twice"):
        run(found, hyperparameters=["lr", "lr"])
