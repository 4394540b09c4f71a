"""A search of a space that has fewer configurations than the pool may hold."""

import json

import yaml

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import to_yaml


def test_a_space_smaller_than_the_pool_is_searched_whole(fit_config, colour_task, small_space, tmp_path, capsys):
    """Takes seconds: each of four configurations is trained for a slice."""
    choices = {name: told for name, told in small_space.to_dict().items() if name != "lr"}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(choices))
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    files = ["--recipe", str(tmp_path / "recipe.yaml"), "--space", str(tmp_path / "space.yaml")]
    search = ["--searcher", "random", "--budget.slices", "9", "--max_fidelity", "1", "--compare", "[]"]
    where = ["--output", str(tmp_path / "search"), "--tracking.uri", f"sqlite:///{tmp_path}/mlflow.db"]
    assert main(["tune", "--task", str(colour_task), *files, *search, *where]) == 0
    assert "; 4 candidates, random." in capsys.readouterr().err
    lines = (tmp_path / "search" / "observations.jsonl").read_text().splitlines()[1:]
    assert len({json.loads(line)["config_id"] for line in lines}) == 4
