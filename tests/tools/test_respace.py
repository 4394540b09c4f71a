"""Tables and parts go over into a wider search space, and into no narrower one."""

import json
import runpy
from pathlib import Path

import pytest

from lightning_quicktune.metadataset.folder import load, save
from lightning_quicktune.space.search_space import SearchSpace

RESPACE = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "respace.py"))["respace"]


def with_bounds(space, name, bounds):
    declaration = space.to_dict()
    declaration[name]["domain"]["bounds"] = bounds
    return SearchSpace.from_dict(declaration)


@pytest.fixture
def folder(tmp_path):
    return save(load("smollm2"), tmp_path / "table")


def test_a_table_goes_over_into_a_wider_space_with_all_its_trials(folder):
    before = load(folder)
    wider = with_bounds(before.space, "lr", [1.0e-6, 1.0])
    (change,) = RESPACE(folder, wider)
    assert "lr" in change
    after = load(folder)
    assert not after.space.differences(wider)
    assert after.trials.equals(before.trials)
    assert RESPACE(folder, wider) == []


def test_a_narrower_space_is_refused_and_nothing_is_changed(folder):
    before = (folder / "space.json").read_text()
    with pytest.raises(SystemExit, match=r"table has trials that are not in lora.yaml"):
        RESPACE(folder, with_bounds(load(folder).space, "lr", [1.9e-4, 2.1e-4]))
    assert (folder / "space.json").read_text() == before


def test_parts_go_over_too(tmp_path):
    space = load("smollm2").space
    (tmp_path / "collection.json").write_text(json.dumps({"identity": {"seed": 0}, "space": space.to_dict()}))
    wider = with_bounds(space, "lr", [1.0e-6, 1.0])
    assert len(RESPACE(tmp_path, wider)) == 1
    kept = json.loads((tmp_path / "collection.json").read_text())
    assert kept["identity"] == {"seed": 0}
    assert not SearchSpace.from_dict(kept["space"]).differences(wider)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"holds neither a meta-dataset nor parts of a collection"):
        RESPACE(tmp_path, load("smollm2").space)
