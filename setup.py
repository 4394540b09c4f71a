"""Builds the package; all that is said of it is in pyproject.toml. The files of `configs` go along, as package data."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Copies `configs` into the package: one source for the checkout and for who installs a wheel."""

    def configs(self) -> dict[str, Path]:
        """The files by the places they get."""
        place = Path(self.build_lib) / "lightning_quicktune"
        return {str(place / path): path for path in sorted(Path("configs").rglob("*")) if path.is_file()}

    def run(self) -> None:
        """Copies modules and data, then the files of `configs`."""
        super().run()
        if not self.editable_mode:
            for copy, path in self.configs().items():
                self.mkpath(str(Path(copy).parent))
                self.copy_file(str(path), copy)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Everything that was copied."""
        return super().get_outputs(include_bytecode) + list(self.configs())


setup(cmdclass={"build_py": BuildWithConfigs})
