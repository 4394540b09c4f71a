"""The search space."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lightning_quicktune.space.conditions import check_each_key_is_set_once, count_configurations, parents_first
from lightning_quicktune.space.declaration import read_declaration
from lightning_quicktune.space.hyperparameter import Hyperparameter
from lightning_quicktune.space.sampling import sample_forever
from lightning_quicktune.types import Configuration, Value
from lightning_quicktune.wording.spelling import did_you_mean


class SearchSpace:
    """All hyperparameters of a search, their domains, conditions and the keys of the fit YAML they set.

    Samples and encodings do not depend on the order in which hyperparameters are declared.

    Args:
        hyperparameters: In the order in which tables show them.
    """

    def __init__(self, hyperparameters: Sequence[Hyperparameter]) -> None:
        if not hyperparameters:
            raise ValueError(
                "The search space has no hyperparameter, so every trial would be the same. "
                "Declare at least one, with `domain` and `key`, as in `configs/space/lora.yaml`."
            )
        self._by_name = {h.name: h for h in hyperparameters}
        self._ordered = parents_first(hyperparameters)
        check_each_key_is_set_once(self._ordered)

    @classmethod
    def from_yaml(cls, path: str | Path) -> SearchSpace:
        """Reads the YAML file at ``path``."""
        return cls.from_dict(read_declaration(Path(path)))

    @classmethod
    def from_dict(cls, declaration: Mapping[str, Any]) -> SearchSpace:
        """Reads a declaration, as parsed from YAML or as ``to_dict`` wrote it."""
        return cls([Hyperparameter.from_dict(name, record) for name, record in declaration.items()])

    def to_dict(self) -> dict[str, Any]:
        """The declaration in plain values for JSON."""
        return {name: h.to_dict() for name, h in self._by_name.items()}

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that depend on everything but descriptions and the order of declaration."""
        record = {name: {k: v for k, v in d.items() if k != "description"} for name, d in self.to_dict().items()}
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each hyperparameter, as declared."""
        return tuple(self._by_name)

    @property
    def hyperparameters(self) -> tuple[Hyperparameter, ...]:
        """All of them, each after those that its condition names."""
        return tuple(self._ordered)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every dotted key of the fit YAML that the space can set."""
        return tuple(dict.fromkeys(key for h in self._by_name.values() for key in h.keys))

    @property
    def default(self) -> Configuration:
        """What a careful practitioner would use."""
        values: dict[str, Value] = {}
        for h in self._ordered:
            if h.is_active(values):
                values[h.name] = h.domain.default
        return Configuration(values)

    @property
    def size(self) -> float:
        """Number of configurations; infinite where a domain is continuous."""
        return count_configurations(self._ordered)

    def sample(self, n: int, seed: int) -> list[Configuration]:
        """Draws distinct random configurations, never the default.

        A longer sample with the same seed begins with the shorter one.

        Args:
            n: How many.
            seed: Seed of the draw.

        Raises:
            ValueError: If the space has fewer.
        """
        available = self.size - 1
        if n > available:
            raise ValueError(
                f"{n} configurations were asked for, but the search space has only {available:g} besides the default. "
                "Ask for fewer, or widen the domains of the search space."
            )
        found: dict[str, Configuration] = {}
        seen, draws = {self.default.id}, sample_forever(self._ordered, seed)
        while len(found) < n:
            configuration = next(draws)
            if configuration.id not in seen:
                seen.add(configuration.id)
                found[configuration.id] = configuration
        return list(found.values())

    def check(self, configuration: Configuration) -> None:
        """Checks that ``configuration`` is a point of the space.

        Raises:
            ValueError: If a hyperparameter is unknown, missing, inactive or outside its domain.
        """
        values = configuration.values
        for name in values:
            if name not in self._by_name:
                raise ValueError(
                    f"The configuration has the hyperparameter `{name}`, which the search space doesn't know; it knows "
                    f"{', '.join(self.names)}.{did_you_mean(name, self.names)} Rename or remove `{name}`."
                )
        for h in self._ordered:
            active, given = h.is_active(values), h.name in values
            if active and not given:
                raise ValueError(
                    f"The configuration lacks `{h.name}`, which is active {h.describe_condition()}. "
                    f"Add a value: {h.domain.describe()}."
                )
            if given and not active:
                raise ValueError(
                    f"The configuration has `{h.name}: {values[h.name]}`, but it is active only "
                    f"{h.describe_condition()}, and would have no effect here. Remove `{h.name}`."
                )
            if given and h.domain.find(values[h.name]) is None:
                raise ValueError(
                    f"The configuration has `{h.name}: {values[h.name]!r}`, but its domain is {h.domain.describe()}. "
                    f"Choose a value inside, or widen `{h.name}.domain`."
                )

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """Name of each encoded column, length ``D``: ``lr``, ``variant=dora``, ``warmup_fraction:active``."""
        columns: list[str] = []
        for name, h in sorted(self._by_name.items()):
            columns += [f"{name}:active"] if h.when else []
            columns += [name + suffix for suffix in h.domain.columns]
        return tuple(columns)

    @property
    def encoded_blocks(self) -> tuple[int, ...]:
        """Which hyperparameter each encoded column belongs to, counted from 0 in the order of names, length ``D``."""
        widths = [len(h.domain.columns) + bool(h.when) for _, h in sorted(self._by_name.items())]
        return tuple(place for place, width in enumerate(widths) for _ in range(width))

    def encode(self, configurations: Sequence[Configuration]) -> Float[np.ndarray, "N D"]:
        """Turns configurations into numbers in [0, 1], float64; columns are named by ``encoded_names``.

        A number is its position between the bounds, on the log scale if the space says so; an ordered choice is its
        rank; an unordered one has a column per choice. A conditional hyperparameter has a column more that says
        whether it is active; if it isn't, all its columns are 0.
        """
        rows = [self._encode(c) for c in configurations]
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(self.encoded_names))

    def _encode(self, configuration: Configuration) -> list[float]:
        self.check(configuration)
        row: list[float] = []
        for name, h in sorted(self._by_name.items()):
            active = name in configuration.values
            row += [float(active)] if h.when else []
            row += h.domain.encode(configuration.values[name]) if active else [0.0] * len(h.domain.columns)
        return row

    def decode(self, encoded: Float[np.ndarray, "N D"]) -> list[Configuration]:
        """The configurations that ``encode`` turned into these rows."""
        found: list[Configuration] = []
        ends: dict[str, int] = {}
        for name, h in sorted(self._by_name.items()):
            start = max(ends.values(), default=0) + bool(h.when)
            ends[name] = start + len(h.domain.columns)
        for row in encoded.tolist():
            values: dict[str, Value] = {}
            for h in self._ordered:
                if h.is_active(values):
                    end = ends[h.name]
                    values[h.name] = h.domain.decode(row[end - len(h.domain.columns) : end])
            found.append(Configuration(values))
        return found

    def overrides(self, configuration: Configuration) -> dict[str, Any]:
        """What ``configuration`` sets in the fit YAML: dotted keys and their values.

        A shorter key comes before those below it, so that they may be applied in order.
        """
        self.check(configuration)
        merged: dict[str, Any] = {}
        for name, h in self._by_name.items():
            if name in configuration.values:
                value = h.domain.find(configuration.values[name])
                assert value is not None  # checked above
                merged.update(h.overrides(value))
        return dict(sorted(merged.items(), key=lambda item: item[0].count(".")))

    def differences(self, other: SearchSpace) -> list[str]:
        """How ``other`` differs in meaning, one line per hyperparameter; empty if a model of one serves the other.

        Defaults and descriptions may differ: they change no configuration's meaning.
        """
        lines = [f"`{n}` is only in the first" for n in self.names if n not in other._by_name]
        lines += [f"`{n}` is only in the second" for n in other.names if n not in self._by_name]
        for name, mine in self._by_name.items():
            if name in other._by_name:
                lines += [f"`{name}` {what}" for what in _differences(mine, other._by_name[name])]
        return lines


def _differences(mine: Hyperparameter, other: Hyperparameter) -> list[str]:
    lines = []
    if mine.domain.describe() != other.domain.describe():
        lines.append(f"is {mine.domain.describe()} in the first, {other.domain.describe()} in the second")
    if mine.describe_condition() != other.describe_condition():
        lines.append(f"is active {mine.describe_condition()} in the first, {other.describe_condition()} in the second")
    if (mine.key, mine.sets) != (other.key, other.sets):
        lines.append(f"sets {mine.key or mine.sets} in the first, {other.key or other.sets} in the second")
    return lines
