"""What the build puts into the package: the files of `configs`, byte by byte, in wheel and editable installation."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lightning_quicktune.presets.places import configs_folder

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The package as the build lays it out; some seconds, for the files are copied twice."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copyfile(ROOT / name, source / name)
    for name in ("configs", "lightning_quicktune"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return target / "lightning_quicktune"


def content(folder: Path) -> dict[str, bytes]:
    """Files by their names; those of Python's own cache come and go while other tests run."""
    paths = [path for path in folder.rglob("*") if "__pycache__" not in path.parts and path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_package_holds_the_configs_of_the_checkout(built):
    assert configs_folder() == ROOT / "configs"
    assert content(built / "configs") == content(ROOT / "configs")


def test_the_package_holds_all_modules_and_assets(built):
    assert set(content(ROOT / "lightning_quicktune")) == {
        name for name in content(built) if not name.startswith("configs/")
    }


def test_an_installed_package_reads_its_own_configs(built, tmp_path):
    """A start of Python, in an empty folder."""
    code = (
        "from lightning_quicktune.presets.places import brought, configs_folder;"
        "from lightning_quicktune.presets.preset import preset;"
        "print(configs_folder(), preset('smollm2').settings['recipe'], brought('configs/tune/suite_nano.yaml'))"
    )
    known = {"PATH": "", "PYTHONPATH": str(built.parent)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=known)
    folder, *files = done.stdout.split()
    assert folder == str(built / "configs"), done.stderr
    assert all(Path(file).is_file() and file.startswith(folder) for file in files)


def test_the_project_says_whose_and_for_which_pythons_it_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["authors"] == [{"name": "lightning-quicktune contributors"}]
    assert "Programming Language :: Python :: 3.11" in project["classifiers"]
