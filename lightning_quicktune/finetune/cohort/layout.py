"""Where each adapter weight lies in the one row of numbers that a member of a cohort has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from lightning_quicktune.finetune.targets import Target

Kind = str  # "a", "b" or "magnitude"
KINDS = ("a", "b", "magnitude")


@dataclass(frozen=True)
class Slot:
    """One linear module that members adapt, and its columns in a row.

    Args:
        module: Name of the module.
        n_in: Its inputs.
        n_out: Its outputs.
        start: First column of each kind of weight.
    """

    module: str
    n_in: int
    n_out: int
    start: Mapping[Kind, int]


@dataclass(frozen=True)
class Segment:
    """Neighbouring columns of weights of one kind and shape, of several modules.

    Args:
        kind: What they are.
        size: Inputs (``a``) or outputs (of the others) of each module.
        modules: Names of the modules, in the order of the columns.
        start: First column.
        end: One beyond the last column.
    """

    kind: Kind
    size: int
    modules: tuple[str, ...]
    start: int
    end: int


class BankLayout:
    """Columns of all weights of a cohort, those of one kind and shape side by side; ranks are padded to the largest.

    Args:
        modules: Every module that a member adapts, by name.
        rank: Largest rank of any member.
        with_magnitudes: Whether a member is DoRA's.
    """

    def __init__(self, modules: Mapping[str, Target], rank: int, with_magnitudes: bool) -> None:
        self.rank = rank
        self.segments: list[Segment] = []
        starts: dict[str, dict[Kind, int]] = {name: {} for name in modules}
        column = 0
        for kind in KINDS if with_magnitudes else KINDS[:2]:
            sizes = {name: target.shape[1 if kind == "a" else 0] for name, target in modules.items()}
            for size in sorted(set(sizes.values())):
                names = tuple(name for name in modules if sizes[name] == size)
                width = size if kind == "magnitude" else size * rank
                starts_here = {name: column + place * width for place, name in enumerate(names)}
                for name, start in starts_here.items():
                    starts[name][kind] = start
                self.segments.append(Segment(kind, size, names, column, column + width * len(names)))
                column += width * len(names)
        self.n_columns = column
        self.slots = {
            name: Slot(name, target.shape[1], target.shape[0], starts[name]) for name, target in modules.items()
        }

    def matrices(self, rows: Tensor, slot: Slot) -> tuple[Tensor, Tensor, Tensor | None]:
        """Views of the weights of one module in all rows.

        Args:
            rows: Rows of the bank, shape ``(K, n_columns)``.
            slot: The module.

        Returns:
            A ``(K, rank, in)``, B transposed ``(K, rank, out)``, and magnitudes ``(K, out)`` if there are any.
        """
        magnitude = self._cut(rows, slot, "magnitude", slot.n_out) if "magnitude" in slot.start else None
        a = self._cut(rows, slot, "a", slot.n_in * self.rank).unflatten(1, (self.rank, slot.n_in))
        b = self._cut(rows, slot, "b", slot.n_out * self.rank).unflatten(1, (self.rank, slot.n_out))
        return a, b, magnitude

    def weights(self, row: Tensor, modules: Iterable[str], rank: int, dora: bool) -> dict[str, Tensor]:
        """Views of one member's own weights in its row, by the names that peft gives them, in its order.

        Args:
            row: Shape ``(n_columns,)``.
            modules: Modules that it adapts, in the order of the model.
            rank: Its rank.
            dora: Whether it has magnitudes.
        """
        found: dict[str, Tensor] = {}
        for name in modules:
            a, b, magnitude = self.matrices(row[None], self.slots[name])
            found[f"base_model.model.{name}.lora_A.default.weight"] = a[0, :rank]
            found[f"base_model.model.{name}.lora_B.default.weight"] = b[0, :rank].T
            if dora and magnitude is not None:
                found[f"base_model.model.{name}.lora_magnitude_vector.default.weight"] = magnitude[0]
        return found

    @staticmethod
    def _cut(rows: Tensor, slot: Slot, kind: Kind, width: int) -> Tensor:
        return rows[:, slot.start[kind] : slot.start[kind] + width]
