from pathlib import Path

import pytest

from lightning_quicktune.tracking.places import resolve_uri


@pytest.fixture
def kept(settings, tmp_path, monkeypatch):
    """What is kept of settings that were given in a folder: ``(**changes)``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return lambda **changes: settings(**changes).to_dict()


def test_places_are_kept_as_they_are_found_from_any_folder(kept, tmp_path):
    for name in ("model", "curves", "experience"):
        Path(name).mkdir()
    plain = kept(model="model", surrogates={"curves": "curves"}, experience="experience", output="found")
    assert (plain["model"], plain["output"]) == (f"{tmp_path}/model", f"{tmp_path}/found")
    assert plain["experience"] == f"{tmp_path}/experience"
    assert plain["surrogates"] == {"curves": f"{tmp_path}/curves"}


def test_an_experience_that_this_search_makes_is_found_again_from_any_folder(kept, tmp_path):
    plain = kept(experience="mine", contribute="mine")
    assert plain["experience"] == plain["contribute"] == f"{tmp_path}/mine"


def test_names_are_kept_as_they_are(kept):
    plain = kept(model="nano", surrogates={"curves": "smollm2", "cost": "runs:/0/cost"}, experience="nano")
    assert (plain["model"], plain["experience"]) == ("nano", "nano")
    assert plain["surrogates"] == {"curves": "smollm2", "cost": "runs:/0/cost"}


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", None])
def test_the_database_is_kept_with_its_folder(kept, tmp_path, uri):
    tracking = kept(tracking={"experiment": "tuned", **({"uri": uri} if uri else {})})["tracking"]
    assert tracking == {"experiment": "tuned", "uri": f"sqlite:///{tmp_path}/mlflow.db"}
    assert resolve_uri(tracking["uri"]) == tracking["uri"]


def test_a_server_of_the_environment_stays_there(kept, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@runs.example.org:5000")
    assert kept(tracking={"experiment": "tuned"})["tracking"] == {"experiment": "tuned"}


def test_a_search_is_the_same_one_whether_its_folders_are_given_relative_or_absolute(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = settings(experience="mine", contribute="mine", surrogates={"curves": "curves"})
    from_anywhere = settings(**given.to_dict())
    assert given.learned_from == from_anywhere.learned_from
    assert from_anywhere.to_dict() == given.to_dict()
