"""Where each adapter weight of a cohort lies: weights of one kind and shape, of all members, in one tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_quicktune.finetune.targets import Target

KINDS = ("a", "b", "magnitude")


@dataclass(frozen=True)
class Segment:
    """Weights of one kind and shape.

    Args:
        kind: ``a``, ``b`` or ``magnitude``.
        size: Inputs (``a``) or outputs (of the others) of each module.
        modules: Names of the modules, in the order of the model.
    """

    kind: str
    size: int
    modules: tuple[str, ...]


class Matrices(NamedTuple):
    """The weights of one module, of all members.

    Args:
        a: A, shape ``(K, rank, in)``.
        b: B transposed, shape ``(K, rank, out)``.
        magnitude: Shape ``(K, out)``, where a member is DoRA's.
    """

    a: Tensor
    b: Tensor
    magnitude: Tensor | None


class BankLayout:
    """The segments of a cohort, each a tensor ``(modules, K, rank, size)``, of magnitudes ``(modules, K, size)``.

    Ranks are padded to the largest. So an operation on all weights of all members is one on a few tensors, and the
    weights of one module are contiguous.

    Args:
        modules: Every module that a member adapts, by name, in the order of the model.
        rank: Largest rank of any member.
        with_magnitudes: Whether a member is DoRA's.
    """

    def __init__(self, modules: Mapping[str, Target], rank: int, with_magnitudes: bool) -> None:
        self.rank = rank
        self.segments: list[Segment] = []
        self._place: dict[tuple[str, str], tuple[int, int]] = {}  # segment and place in it, of a kind and module
        for kind in KINDS if with_magnitudes else KINDS[:2]:
            sizes = {name: target.outputs_and_inputs[1 if kind == "a" else 0] for name, target in modules.items()}
            for size in sorted(set(sizes.values())):
                names = tuple(name for name in modules if sizes[name] == size)
                self._place |= {(kind, name): (len(self.segments), place) for place, name in enumerate(names)}
                self.segments.append(Segment(kind, size, names))

    def zeros(self, n_members: int, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        """One tensor for each segment.

        Args:
            n_members: How many members have a place in it.
            dtype: Number format.
            device: Where.
        """
        shapes = [
            (len(s.modules), n_members, *(() if s.kind == "magnitude" else (self.rank,)), s.size) for s in self.segments
        ]
        return [torch.zeros(shape, dtype=dtype, device=device) for shape in shapes]

    def matrices(self, tensors: Sequence[Tensor], module: str) -> Matrices:
        """Views of the weights of one module.

        Args:
            tensors: Of ``zeros``.
            module: Its name.
        """
        found = {kind: tensors[at[0]][at[1]] for kind in KINDS if (at := self._place.get((kind, module))) is not None}
        return Matrices(found["a"], found["b"], found.get("magnitude"))

    def of_member(
        self, tensors: Sequence[Tensor], k: int, modules: Iterable[str], rank: int, dora: bool
    ) -> dict[str, Tensor]:
        """Views of one member's own weights, without padding, by the names that peft gives them, in its order.

        Args:
            tensors: Of ``zeros``.
            k: Which member.
            modules: Modules that it adapts, in the order of the model.
            rank: Its rank.
            dora: Whether it has magnitudes.
        """
        found: dict[str, Tensor] = {}
        for name in modules:
            a, b, magnitude = self.matrices(tensors, name)
            found[f"base_model.model.{name}.lora_A.default.weight"] = a[k, :rank]
            found[f"base_model.model.{name}.lora_B.default.weight"] = b[k, :rank].T
            if dora and magnitude is not None:
                found[f"base_model.model.{name}.lora_magnitude_vector.default.weight"] = magnitude[k]
        return found
