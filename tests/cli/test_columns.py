import json

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import to_yaml


def test_inspect_reads_a_dataset_whose_keys_are_named_on_the_command_line(tmp_path, fit_config, capsys):
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    records = [{"Frage": f"Wie ist Boje {n}?", "Antwort": "rot", "Notiz": None} for n in range(12)]
    (tmp_path / "bojen.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    words = ["--recipe", str(tmp_path / "recipe.yaml"), "--task", str(tmp_path / "bojen.jsonl")]
    assert main(["inspect", *words, "--columns", "question=Frage,answer=Antwort"]) == 0
    assert "Wie ist Boje" in capsys.readouterr().out
