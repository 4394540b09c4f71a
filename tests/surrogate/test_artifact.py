import copy
import json

import pytest

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.artifact import read_cost, read_performance, read_surrogate
from lightning_quicktune.surrogate.cost import CostSurrogate
from lightning_quicktune.surrogate.performance import PerformanceSurrogate
from lightning_quicktune.types import Configuration


def used(source, *search, **allowed):
    """A surrogate as a search uses it."""
    model = read_surrogate(source)
    model.card = model.card.used_in(*search, **{"allow_other_base_model": False, **allowed})
    return model


@pytest.fixture(scope="module")
def fitted(make_source, fit, tmp_path_factory):
    source, folders = make_source(2, 6), {}
    for kind, surrogate in (("performance", PerformanceSurrogate), ("cost", CostSurrogate)):
        folders[kind] = tmp_path_factory.mktemp(kind)
        fit(surrogate(str(folders[kind])), source, epochs=1, steps_per_epoch=1)
    return folders


def test_both_kinds_load_for_their_use(fitted, space):
    assert read_performance(fitted["performance"]).card.kind == "performance"
    assert read_cost(fitted["cost"]).card.kind == "cost"
    assert used(fitted["cost"], space, "tiny").card.maps_from is None


def test_another_base_model_is_refused_unless_allowed(fitted, space):
    with pytest.raises(ValueError, match=r"made for the base model tiny, but phi3 .*`allow_other_base_model: true`"):
        used(fitted["performance"], space, "phi3")
    assert used(fitted["performance"], space, "phi3", allow_other_base_model=True)


def test_another_search_space_is_refused_with_what_differs(fitted, space):
    declaration = copy.deepcopy(space.to_dict())
    declaration["variant"]["domain"]["choices"] = ["a", "b"]
    with pytest.raises(ValueError, match=r"made for another search space.*`variant` is .*train a surrogate on trials"):
        used(fitted["cost"], SearchSpace.from_dict(declaration), "tiny")


@pytest.mark.parametrize(("load", "kind"), [(read_performance, "cost"), (read_cost, "performance")])
def test_swapped_folders_are_noticed(fitted, load, kind):
    with pytest.raises(ValueError, match=rf"holds a {kind} surrogate, but .* may have been swapped"):
        load(fitted[kind])


def test_a_folder_without_a_surrogate_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"not a surrogate: it lacks surrogate.json, weights.safetensors.*`model.in"
    ):
        read_surrogate(tmp_path)


def test_weights_of_another_surrogate_are_refused(fitted, tmp_path):
    for name in ("surrogate.json", "weights.safetensors"):
        (tmp_path / name).write_bytes((fitted["cost"] / name).read_bytes())
    (tmp_path / "weights.safetensors").write_bytes((fitted["performance"] / "weights.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"weights.safetensors is not the file that surrogate.json describes.*Copy it"):
        read_surrogate(tmp_path)


@pytest.mark.parametrize("version", [5, 8])
def test_another_schema_version_is_refused(fitted, tmp_path, version):
    record = json.loads((fitted["cost"] / "surrogate.json").read_text())
    (tmp_path / "surrogate.json").write_text(json.dumps({**record, "schema_version": version}))
    (tmp_path / "weights.safetensors").write_bytes((fitted["cost"] / "weights.safetensors").read_bytes())
    with pytest.raises(
        ValueError,
        match=rf"schema version {version}, but this package reads version 6: train the surrogate again with `",
    ):
        read_surrogate(tmp_path)


def test_nothing_is_pickled(fitted):
    assert sorted(path.name for path in fitted["cost"].iterdir()) == ["surrogate.json", "weights.safetensors"]


def test_medians_come_back(fitted):
    card = read_surrogate(fitted["cost"]).card
    shift = {"t0": -1.0, "t1": 1.0}[card.provenance["training_tasks"][0]]
    assert card.layout.medians == {"shift": shift, "size": 1.0}


def test_a_surrogate_of_another_space_is_asked_by_what_both_know(fitted, space, make_task):
    declaration = copy.deepcopy(space.to_dict())
    declaration["lr"]["domain"]["bounds"] = [1e-5, 10.0]
    del declaration["variant"]
    declaration["depth"] = {"key": "a.depth", "domain": {"type": "int", "bounds": [1, 9], "default": 2}}
    yours = SearchSpace.from_dict(declaration)
    with pytest.raises(ValueError, match=r"made for another search space.*or set `partial: true` to map"):
        used(fitted["performance"], yours, "tiny")
    model = used(fitted["performance"], yours, "tiny", partial=True)
    cost = used(fitted["cost"], yours, "tiny", partial=True)
    own = used(fitted["performance"], space, "tiny", partial=True)
    there = Configuration({"lr": 0.01, "schedule": "up", "variant": "a"})
    for values, asked in [({"lr": 0.01}, 0.01), ({"lr": 5.0}, 0.1)]:
        for depth in (1, 9):
            here = Configuration({"depth": depth, "schedule": "up", **values})
            expected = own.card.encode([Configuration({**there.values, "lr": asked})])
            assert (model.card.encode([here]) == expected).all()
            assert cost.card.encode([here]).shape == expected.shape
    assert read_surrogate(fitted["performance"]).card.maps_from is None


def test_spaces_without_anything_in_common_are_refused_all_the_same(fitted):
    depth = {"depth": {"key": "a.depth", "domain": {"type": "int", "bounds": [1, 9], "default": 2}}}
    with pytest.raises(
        ValueError, match=r"have no hyperparameter in common that sets the same key: lr, .* there, depth here"
    ):
        used(fitted["cost"], SearchSpace.from_dict(depth), "tiny", partial=True)
