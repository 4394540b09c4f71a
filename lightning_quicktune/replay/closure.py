"""The closure of a source: all of a package that it depends on, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Closure:
    """What is used.

    Args:
        sources: The used part of each source without comments and docstrings, by path relative to the package.
        libraries: Other packages that these import.
    """

    sources: dict[str, str] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)


def closure(
    package: Path, entries: Sequence[str], known: Collection[str], cases: Collection[str], without: Sequence[str]
) -> Closure:
    """All sources that some import, directly or not, also inside of functions.

    Imports for type checkers alone don't count. Of a ``match`` whose cases are names out of ``known``, only the cases
    of the given names count, or the one for all others if there is none.

    Args:
        package: Folder of the package.
        entries: Where to begin, relative to the package.
        known: Names of cases of which only some are used.
        cases: The names that are used.
        without: Files and folders that don't count, relative to the package.
    """
    found, waiting = Closure(), list(entries)
    while waiting:
        name = waiting.pop()
        if name in found.sources or any(name == each or name.startswith(f"{each}/") for each in without):
            continue
        tree = _Used(known, cases).visit(ast.parse((package / name).read_text(encoding="utf-8")))
        found.sources[name] = ast.unparse(tree)
        for target in _imported(tree):
            own = _own_file(package, target)
            if own is not None:
                waiting.append(own)
            elif not target.startswith(f"{package.name}."):
                found.libraries.add(target.split(".")[0])
        waiting += [file.relative_to(package).as_posix() for file in _started(tree, (package / name).parent)]
    return found


class _Used(ast.NodeTransformer):
    """Leaves out what has no effect: docstrings, imports for type checkers, cases of other names."""

    def __init__(self, known: Collection[str], cases: Collection[str]) -> None:
        self._known, self._cases = frozenset(known), frozenset(cases)

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def visit_If(self, node: ast.If) -> ast.stmt | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        self.generic_visit(node)
        return node

    def visit_Match(self, node: ast.Match) -> ast.stmt | None:
        named = [_names(case.pattern) for case in node.cases]
        if all(names is not None and names <= self._known for names in named):
            of_names = list(zip(node.cases, named, strict=True))
            own = [case for case, names in of_names if names and names & self._cases]
            node.cases = own or [case for case, names in of_names if not names]
        self.generic_visit(node)
        return node if node.cases else None


def _names(pattern: ast.pattern) -> frozenset[str] | None:
    """Names that a case stands for, none of them for all others; ``None`` if it is of another kind."""
    match pattern:
        case ast.MatchValue(ast.Constant(str(name))):
            return frozenset((name,))
        case ast.MatchOr(patterns):
            several = [_names(each) for each in patterns]
            return None if None in several else frozenset().union(*(names for names in several if names))
        case ast.MatchAs(None):
            return frozenset()
        case _:
            return None


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_file(package: Path, target: str) -> str | None:
    """Path of a module of the package; none for names in a module, and for other packages."""
    top, *rest = target.split(".")
    if top != package.name:
        return None
    for path in (package.joinpath(*rest).with_suffix(".py"), package.joinpath(*rest, "__init__.py")):
        if rest and path.is_file():
            return path.relative_to(package).as_posix()
    return None


def _started(tree: ast.AST, folder: Path) -> Iterator[Path]:
    """Scripts beside a source that it names, to run them in another process."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".py"):
            path = folder / node.value
            if path.is_file():
                yield path
