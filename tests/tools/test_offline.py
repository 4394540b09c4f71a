"""The pack for a machine without network: it is made here, and run as it would be there."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.collect import collect
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import to_yaml

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def collection(tmp_path, fit_config, small_space, write_colours):
    """A YAML whose tasks are named without their folder, which is ``tasks``."""
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))
    for name, n in (("first", 16), ("second", 40)):
        write_colours(tmp_path / "tasks" / name, n)
    plain = {
        "tasks": ["somewhere/first", "somewhere/second"],
        "recipe": "recipe.yaml",
        "space": "space.yaml",
        "output": str(tmp_path / "home"),
        "max_fidelity": 2,
        "n_shared": 3,
        "cohort": 2,
        "tracking": {"experiment": "collected", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
    }
    path = tmp_path / "collect.yaml"
    path.write_text(yaml.safe_dump(plain))
    return path


def pack(collection, *options):
    command = [ROOT / "tools" / "pack_offline", "--config", collection, "--output", collection.parent / "pack"]
    done = subprocess.run([*command, "--no-wheels", "--no-package", *options], env=ENVIRONMENT, capture_output=True)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def opened(pieces: Iterable[Path]) -> tarfile.TarFile:
    """The archive that was cut into pieces."""
    return tarfile.open(fileobj=io.BytesIO(b"".join(piece.read_bytes() for piece in sorted(pieces))))


def run_there(folder: Path, *options, minutes="60"):
    command = [folder / "pack" / "run_offline", "--minutes", minutes, "--out", folder / "out"]
    command += ["--work", folder / "work", "--checkout", ROOT, *options]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_pieces_are_no_larger_than_asked_for_and_together_the_collection(collection, tmp_path):
    """A start of the tool."""
    code, said = pack(collection, "--tasks", str(tmp_path / "tasks"), "--piece-mb", "0.0015")
    assert code == 0, said
    pieces = sorted((tmp_path / "pack").glob("piece-*"))
    assert len(pieces) > 1
    assert all(piece.stat().st_size <= 1500 for piece in pieces)
    sums = [line.split() for line in (tmp_path / "pack" / "pieces.sha256").read_text().splitlines()]
    assert sums == [[hashlib.sha256(piece.read_bytes()).hexdigest(), piece.name] for piece in pieces]
    with opened(pieces) as archive:
        names = {Path(name).as_posix() for name in archive.getnames()}
    assert {"collect.yaml", "recipe.yaml", "space.yaml", "tasks/first/train.jsonl", "tasks/second/test.jsonl"} <= names


def test_a_task_that_is_not_here_is_said(collection, tmp_path):
    """A start of the tool."""
    code, said = pack(collection, "--tasks", str(tmp_path / "elsewhere"))
    assert code == 1
    assert "elsewhere/first` is not here. Say with `--tasks FOLDER`" in said


def test_a_damaged_piece_is_said(tmp_path):
    (tmp_path / "pack").mkdir()
    script = tmp_path / "pack" / "run_offline"
    script.write_bytes((ROOT / "tools" / "offline" / "run_offline").read_bytes())
    script.chmod(0o755)
    (tmp_path / "pack" / "piece-00").write_text("x")
    (tmp_path / "pack" / "pieces.sha256").write_text(f"{hashlib.sha256(b'y').hexdigest()}  piece-00\n")
    code, said = run_there(tmp_path)
    assert code == 1
    assert "is missing or damaged, see above. Bring it again." in said


@pytest.mark.slow
def test_what_was_collected_there_is_taken_over_at_home(collection, tmp_path):
    """A collection by the command line."""
    assert pack(collection, "--tasks", str(tmp_path / "tasks"))[0] == 0
    code, said = run_there(tmp_path)
    assert code == 0, said
    assert not list((tmp_path / "work").rglob("mlflow.db"))
    brought = sorted((tmp_path / "out").iterdir())
    assert len(brought) <= 8
    assert all(path.stat().st_size < 15e6 for path in brought)
    with opened((tmp_path / "out").glob("parts.tar.gz.*")) as parts:
        parts.extractall(tmp_path / "parts", filter="data")
    tasks = yaml.safe_dump([str(tmp_path / "tasks" / name) for name in ("first", "second")], default_flow_style=True)
    options = ["--config", str(collection), "--tasks", tasks.strip(), "--parts", str(tmp_path / "parts")]
    settings = parse_settings("collect", CollectSettings, options)
    table = collect(settings).table
    assert table.meta["n_trials"] == 6
    assert not list((tmp_path / "home").rglob("*.ckpt"))
    assert not (tmp_path / "home" / "summary.json").exists()  # nothing was trained at home


@pytest.mark.slow
def test_when_the_minutes_are_over_what_has_ended_is_kept(collection, tmp_path):
    """A collection by the command line, which is stopped."""
    assert pack(collection, "--tasks", str(tmp_path / "tasks"))[0] == 0
    code, said = run_there(tmp_path, "--n_shared", "500", minutes="1.5")
    assert code == 0, said
    assert "minutes are over; what has ended is in" in said
    assert list((tmp_path / "out").glob("parts.tar.gz.*"))


@pytest.mark.external
def test_wheels_of_everything_that_is_needed_can_be_had(collection, tmp_path):
    """Downloads 40 MB."""
    command = [ROOT / "tools" / "pack_offline", "--config", collection, "--tasks", tmp_path / "tasks"]
    subprocess.run([*command, "--output", tmp_path / "pack"], env=ENVIRONMENT, check=True)
    with opened((tmp_path / "pack").glob("piece-*")) as archive:
        wheels = {name for name in archive.getnames() if name.endswith(".whl")}
    listed = (ROOT / "tools" / "offline" / "wheels.txt").read_text().splitlines()
    assert len(wheels) == 1 + len([line for line in listed if line and not line.startswith("#")])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "gone.yaml"], "`--config` is gone.yaml, but there is no such file"),
        (["--piece-mb", "0"], "`--piece-mb` is 0, but a piece must hold something"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_packed(words, said):
    script = Path(__file__).parents[2] / "tools" / "offline" / "pack.py"
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
