"""Which room may import which, and which packages stay in one room."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "lightning_quicktune"

GROUND = {"types", "files", "statistics", "wording"}
BELOW_TUNING = GROUND | {
    "suite",
    "acquisition",
    "space",
    "data",
    "tracking",
    "compose",
    "finetune",
    "metadataset",
    "surrogate",
    "search",
    "trials",
}
TRIALS = GROUND | {"suite", "space", "compose", "data", "finetune", "tracking", "metadataset"}
REPLAY = GROUND | {"space", "metadataset", "surrogate", "search", "acquisition"}
MAY_IMPORT = {
    "__init__": {"tuning"},  # lazily, for `from lightning_quicktune import tune`
    "__main__": {"cli"},
    "types": set(),
    "files": set(),
    "wording": set(),
    "statistics": set(),
    "acquisition": set(),
    "arguments": {"wording"},
    "presets": {"arguments"},
    "suite": GROUND,
    "space": GROUND,
    "tracking": GROUND,
    "data": GROUND | {"suite"},
    "compose": {"types", "space", "arguments"},
    "finetune": GROUND | {"data", "tracking"},
    "metadataset": GROUND | {"space", "tracking"},
    "surrogate": GROUND | {"space", "metadataset", "acquisition"},
    "search": GROUND | {"space", "metadataset", "surrogate", "acquisition"},
    "trials": TRIALS,
    "collection": TRIALS | {"trials"},
    "replay": REPLAY,
    "evaluation": REPLAY | {"replay", "tracking"},
    "tuning": BELOW_TUNING | {"arguments", "presets"},
    "synthesis": GROUND | {"data", "finetune", "tracking"},
    "cli": BELOW_TUNING
    | {"arguments", "presets", "collection", "replay", "evaluation", "tuning", "synthesis", "__init__"},
}
AT_HOME = {
    "mlflow": {"tracking"},
    "transformers": {"finetune", "data", "synthesis"},
    "peft": {"finetune", "data", "synthesis"},
    "gpytorch": {"surrogate"},
    "linear_operator": {"surrogate"},
    "ray": {"trials"},
}
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / PACKAGE).rglob("*.py"))


def room_of(path: str) -> str:
    return path.split("/")[1].removesuffix(".py")


def imported_names(source: str) -> list[str]:
    """Dotted names that a source imports, wherever in it; relative ones begin with a dot."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names += [f"{base}.{alias.name}" for alias in node.names] if base == PACKAGE else [base]
    return names


def violations(path: str, source: str) -> list[str]:
    """What a module at ``path`` imports and should not."""
    room, found = room_of(path), []
    for name in imported_names(source):
        top, _, rest = name.partition(".")
        if name.startswith("."):
            found.append(f"{path}: relative import {name}")
        elif top == PACKAGE:
            target = rest.split(".")[0]
            target = target if target in MAY_IMPORT else "__init__"
            if target != room and target not in MAY_IMPORT[room]:
                found.append(f"{path}: {room} may not import {target}")
        elif top in AT_HOME and room not in AT_HOME[top]:
            found.append(f"{path}: {top} stays in {', '.join(sorted(AT_HOME[top]))}")
    return found


@pytest.mark.parametrize("path", MODULES)
def test_imports_follow_the_arrows(path):
    assert violations(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_every_room_is_in_the_table():
    assert {room_of(path) for path in MODULES} <= MAY_IMPORT.keys()


def test_ray_is_in_one_file():
    users = [
        path
        for path in MODULES
        if any(name.split(".")[0] == "ray" for name in imported_names((ROOT / path).read_text(encoding="utf-8")))
    ]
    assert len(users) <= 1


def test_nobody_imports_the_command_line():
    assert all("cli" not in rooms for room, rooms in MAY_IMPORT.items() if room != "__main__")


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("search/loop.py", "import mlflow.tracking", "mlflow stays in tracking"),
        (
            "search/loop.py",
            "def f():\n    import lightning_quicktune.trials",
            "search may not import trials",
        ),
        ("finetune/lora.py", "from lightning_quicktune import surrogate", "finetune may not import surrogate"),
        ("types.py", "import lightning_quicktune.space.domain", "types may not import space"),
        ("data/csv/make.py", "from ..reader import read", "relative import ..reader"),
        ("tuning/tune.py", "from lightning_quicktune.cli.main import main", "tuning may not import cli"),
        ("space/domain.py", "from gpytorch.kernels import RBFKernel", "gpytorch stays in surrogate"),
    ],
)
def test_a_wrong_arrow_is_found(path, source, expected):
    (found,) = violations(f"{PACKAGE}/{path}", source)
    assert expected in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("trials/run.py", "from lightning_quicktune.compose import build\nimport ray"),
        ("cli/main.py", "from lightning_quicktune import __version__\nfrom lightning_quicktune.tuning import tune"),
        ("data/csv/make.py", "from lightning_quicktune.data.reader import read\nimport transformers"),
    ],
)
def test_a_right_arrow_passes(path, source):
    assert violations(f"{PACKAGE}/{path}", source) == []
