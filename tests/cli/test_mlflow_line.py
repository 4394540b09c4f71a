from types import SimpleNamespace

from lightning_quicktune.cli.main import main


def test_evaluate_says_where_its_report_is_if_mlflow_was_away(tmp_path, monkeypatch, capsys):
    (tmp_path / "report.md").write_text("# Found\n")
    away = SimpleNamespace(report=tmp_path / "report.md", run_id=None)
    monkeypatch.setattr("lightning_quicktune.evaluation.evaluate.evaluate", lambda settings: away)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    words = ["--meta_dataset", "nano", "--output", str(tmp_path), "--tracking.experiment", "any", "--tracking.uri", uri]
    assert main(["evaluate", *words]) == 0
    said = capsys.readouterr().out
    assert f"MLflow   the report was not taken by {uri}; all is on this disk, and the same command sends it" in said
    assert "None" not in said
