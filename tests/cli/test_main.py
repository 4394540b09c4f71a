import subprocess
import sys

import pytest

from lightning_quicktune.cli.main import SUBCOMMANDS, main

HEAVY = ("torch", "lightning", "transformers", "mlflow", "pandas", "jsonargparse")


def test_help_lists_every_subcommand(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in SUBCOMMANDS)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from lightning_quicktune.cli.main import main; main(['--help']);"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_an_unknown_subcommand_names_the_closest(capsys):
    assert main(["tun"]) == 2
    assert "there is no subcommand `tun`. Did you mean `tune`?" in capsys.readouterr().err


def test_a_mistake_of_the_user_is_one_line_without_a_traceback(capsys, tmp_path):
    arguments = ["--fit", __file__, "--checkpoint", "gone.ckpt", "--output", str(tmp_path)]
    assert main(["export", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lightning-quicktune export: ")
    assert "Traceback" not in error


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS.keys() - {"fit", "validate", "test", "predict"}))
def test_every_subcommand_of_ours_has_help(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: lightning-quicktune {name}" in capsys.readouterr().out


def test_an_unknown_key_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["tune", "--budgte.seconds", "3"])
    assert stopped.value.code == 2
    assert "budgte" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "way"), [("tune", "the same command goes on"), ("fit", "`--ckpt_path` with its last")]
)
def test_ctrl_c_ends_with_130_and_without_a_traceback(word, way, monkeypatch, capsys):
    def interrupted(words):
        raise KeyboardInterrupt

    module = "lightning" if word == "fit" else word
    monkeypatch.setattr(f"lightning_quicktune.cli.{module}.run", interrupted)
    assert main([word]) == 130
    assert way in capsys.readouterr().err


def test_the_end_of_a_command_does_not_collect_what_it_has_made():
    program = (  # which asks after what main has registered
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000));"
        "from lightning_quicktune.cli.main import main; main(['describe', '--help'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("True\n")
