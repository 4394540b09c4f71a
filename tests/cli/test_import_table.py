import pandas as pd

from lightning_quicktune.cli.main import main


def test_a_table_is_imported_and_described(tmp_path, capsys):
    rows = [
        {"task": f"t{t}", "config_id": c, "lr": 0.1 * (1 + c), "depth": 2, "fidelity": f, "score": 0.1 * (c + f)}
        for t in range(2)
        for c in range(3)
        for f in range(1, 3)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    words = [
        "--table",
        str(tmp_path / "table.csv"),
        "--output",
        str(tmp_path / "out"),
        "--origin",
        "o",
        "--licence",
        "l",
    ]
    words += ["--hyperparameters", "[lr, depth]", "--columns.cost", "null"]
    assert main(["import", *words]) == 0
    out = capsys.readouterr().out
    assert "left out `depth`, which is 2 in every configuration" in out
    assert "6 trials of 2 tasks are in" in out
    assert main(["describe", "--meta_dataset", str(tmp_path / "out"), "--importance", "false"]) == 0
    assert "- 2 tasks, 6 trials, 12 slices" in capsys.readouterr().out


def test_what_is_wrong_is_said_without_a_traceback(tmp_path, capsys):
    words = ["--table", str(tmp_path / "no.csv"), "--output", str(tmp_path), "--origin", "o", "--licence", "l"]
    assert main(["import", *words]) == 2
    assert "lightning-quicktune import: There is no table" in capsys.readouterr().err


def test_what_was_understood_of_the_rows_is_printed(tmp_path, capsys):
    rows = [
        {"task": "t", "config_id": c, "lr": 0.1 * (1 + c), "fidelity": f, "score": "" if f == 1 else 0.1 * f}
        for c in range(3)
        for f in range(1, 4 + c)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    words = ["--table", str(tmp_path / "table.csv"), "--output", str(tmp_path / "out"), "--origin", "o"]
    assert main(["import", *words, "--licence", "l", "--hyperparameters", "[lr]"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("there is no column 'cost_s', so costs are unknown")
    assert out[1].startswith("left out 3 rows without a score")
    assert out[2].startswith("the learning curves have 3 lengths, from 2 to 4 slices, and on 1 tasks they differ")
    assert out[3].startswith("3 trials of 1 tasks are in")
