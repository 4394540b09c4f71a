"""The functions of the package: what they take, and what they give back."""

import subprocess
import sys
from pathlib import Path

import pytest

import lightning_quicktune
from lightning_quicktune import recommend, tune

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(tmp_path, fit_config, colour_task, small_space, filled_database, monkeypatch):
    """Settings of a search of the tiny model."""
    import shutil

    import yaml

    from lightning_quicktune.compose import to_yaml

    monkeypatch.chdir(tmp_path)
    shutil.copyfile(filled_database, tmp_path / "mlflow.db")
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))
    return {
        "task": colour_task,
        "recipe": "recipe.yaml",
        "space": "space.yaml",
        "searcher": "successive_halving",
        "max_fidelity": 2,
        "pool_size": 3,
        "compare": [],
        "tracking": {"experiment": "tuned", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
    }


def test_tune_gives_scores_configuration_adapter_and_report(small):
    """A search of two slices."""
    result = tune(**small, slices=2)
    assert result.scores.keys() == {"zero-shot", "chosen"}
    assert all(0 <= score <= 1 for score in result.scores.values())
    assert result.configuration["lr"] > 0
    assert (result.adapter / "adapter_model.safetensors").is_file()
    assert result.adapter.parent.parent == Path("runs") / Path(small["task"]).name
    assert result.report.is_file()
    shown = result._repr_markdown_()
    assert result.headline in shown
    assert f"| chosen | {result.scores['chosen']:.3f} |" in shown


def test_recommend_gives_configurations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = recommend("suite:suite-towns-mixed", model="nano", k=2, pool_size=8)
    assert len(found.recommendations) == 2
    assert found.folder == Path("runs/suite-towns-mixed_recommended")
    assert (found.folder / found.recommendations[0].file).is_file()


def test_a_setting_that_is_none_names_the_closest(small):
    with pytest.raises(TypeError, match=r"There is no setting `pool_sise`\. Did you mean `pool_size`\?"):
        tune("shop.csv", model="nano", pool_sise=3)
    with pytest.raises(TypeError, match=r"There is no setting `qqq`\. There are task, recipe, "):
        recommend("shop.csv", model="nano", qqq=3)


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(ValueError, match=r"2 things are missing or wrong:\n.*gone\.csv is not there.*\n.*`smolm2`"):
        tune("gone.csv", model="smolm2", minutes=1)


def test_the_package_loads_nothing_heavy_until_it_is_asked():
    code = (
        "import sys, lightning_quicktune as q; assert not {'torch', 'lightning', 'jsonargparse'} & set(sys.modules);"
        "print(q.tune.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "lightning_quicktune.tuning.from_python", done.stderr
    assert set(lightning_quicktune.__all__) == {"__version__", "recommend", "tune"}
    with pytest.raises(AttributeError, match="has no attribute 'tuna'"):
        lightning_quicktune.tuna  # noqa: B018
