"""The same command on a search that has ended."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from lightning_quicktune.cli.main import main
from lightning_quicktune.tuning import tune as tuning
from lightning_quicktune.tuning.printed import PRINTED, keep_printed, printed_before, what_is_read

HEAVY = ("torch", "transformers", "lightning", "peft", "mlflow", "pandas")


@pytest.fixture
def ended(settings, tmp_path, capsys):
    """A search that has ended, and what it printed."""
    settings(budget={"slices": 1}, compare=[])
    assert main(["tune", "--config", str(tmp_path / "tune.yaml")]) == 0
    return capsys.readouterr().out


def test_the_result_is_printed_again_without_loading_anything_heavy(ended, tmp_path):
    code = (
        "import sys; from lightning_quicktune.cli.main import main; main(sys.argv[1:]);"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "tune", "--config", str(tmp_path / "tune.yaml")]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "adapter  " in ended
    assert "MLflow   run " in ended
    assert again.stdout == ended
    assert again.stderr.strip() == "[]"


def test_what_has_changed_is_looked_at(ended, settings, tmp_path):
    same = settings(budget={"slices": 1}, compare=[])
    assert printed_before(same, what_is_read(same)) == ended
    for changes in ({"budget": {"slices": 2}}, {"seed": 4}, {"output": str(tmp_path / "other")}):
        other = settings(**{"budget": {"slices": 1}, "compare": [], **changes})
        assert printed_before(other, what_is_read(other)) is None
    os.utime(tmp_path / "recipe.yaml", ns=(1, 1))
    assert printed_before(same, what_is_read(same)) is None


def test_records_base_model_and_surrogates_are_among_what_is_read(settings, tmp_path, colour_task, tiny_phi3):
    changes = {"surrogates": {"curves": str(tmp_path / "curves")}, "searcher": None}
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves" / "weights.safetensors").write_bytes(b"1")
    files = what_is_read(settings(**changes))["files"]
    named = (colour_task, tiny_phi3, *(tmp_path / name for name in ("curves", "recipe.yaml", "space.yaml")))
    assert set(files) == {str(place) for place in named}
    (tmp_path / "curves" / "weights.safetensors").write_bytes(b"12")
    assert what_is_read(settings(**changes))["files"] != files


def test_a_recipe_that_is_no_yaml_is_a_sentence(settings, tmp_path, capsys):
    settings(budget={"slices": 1})
    (tmp_path / "recipe.yaml").write_text("trainer: [1\nmodel: }")
    assert main(["tune", "--config", str(tmp_path / "tune.yaml")]) == 2
    assert "recipe.yaml` is not valid YAML" in capsys.readouterr().err


def test_a_database_that_is_gone_gets_its_runs_again(ended, settings, tmp_path):
    same = settings(budget={"slices": 1}, compare=[])
    (tmp_path / "mlflow.db").unlink()
    assert printed_before(same, what_is_read(same)) is None


def test_a_report_that_was_written_anew_or_is_gone_is_looked_at(ended, settings, tmp_path):
    same = settings(budget={"slices": 1}, compare=[])
    (tmp_path / "search" / "result" / "report.html").unlink()
    assert printed_before(same, what_is_read(same)) is None


def test_an_experience_that_is_gone_is_written_again(settings, tmp_path):
    adding = settings(contribute=str(tmp_path / "mine"))
    reads = what_is_read(adding)
    keep_printed(adding, reads, "found\n")
    assert printed_before(adding, reads) is None
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tasks.parquet").touch()
    assert printed_before(adding, reads) == "found\n"


def test_what_mlflow_lacks_is_sent_by_the_same_command(settings, tmp_path):
    """So that it isn't taken for a search with nothing more to do."""
    tuned = tuning.tune(settings(budget={"slices": 1}, compare=[]))
    assert tuned.is_complete
    assert not replace(tuned, run_id=None).is_complete
    assert not replace(tuned, delivery=replace(tuned.delivery, n_lacking=1)).is_complete
    stopped = replace(tuned.outcome, result=replace(tuned.outcome.result, stopped_by="interrupted"))
    assert not replace(tuned, outcome=stopped).is_complete
    assert not (tmp_path / "search" / PRINTED).exists()
