"""One hyperparameter of a search space."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.declaration import check_fields, label, labels, same
from lightning_quicktune.space.numeric import NumericDomain
from lightning_quicktune.types import Value
from lightning_quicktune.wording.spelling import did_you_mean

Domain = NumericDomain | CategoricalDomain

_DOMAINS: dict[str, type[NumericDomain] | type[CategoricalDomain]] = {
    "float": NumericDomain,
    "int": NumericDomain,
    "categorical": CategoricalDomain,
    "bool": CategoricalDomain,
}
_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Hyperparameter:
    """A name, its domain, when it is active, and which keys of the fit YAML it sets.

    Args:
        name: What tables and configurations call it.
        domain: Its values.
        key: Dotted key of the fit YAML that takes the value itself; none if ``sets`` says more.
        sets: By label of each choice, the dotted keys it sets and their values.
        when: Values of other hyperparameters, by name, among which each must be for this one to be active.
        description: One line for readers.
    """

    name: str
    domain: Domain
    key: str | None
    sets: Mapping[str, Mapping[str, Any]]
    when: Mapping[str, tuple[Value, ...]]
    description: str

    @classmethod
    def from_dict(cls, name: Any, record: Any) -> Hyperparameter:
        """Reads and checks one entry of a declaration.

        Args:
            name: Key of the entry.
            record: ``domain``, either ``key`` or ``sets``, and perhaps ``when`` and ``description``.

        Raises:
            ValueError: If any part is wrong; the message says where.
        """
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(
                f"The hyperparameter name {name!r} can't head a column. A name has letters, digits and underscores "
                "and starts with a letter, such as `lora_rank`. Rename it."
            )
        check_fields(record, name, ("domain",), ("key", "sets", "when", "description"))
        if ("key" in record) == ("sets" in record):
            raise ValueError(
                f"`{name}` has {'both `key` and `sets`' if 'key' in record else 'neither `key` nor `sets`'}, but "
                "exactly one must say what it sets in the fit YAML, else its value would be ambiguous or without "
                f"effect. Give `{name}.key` for one key that takes the value, or `{name}.sets` for several."
            )
        domain = _read_domain(record["domain"], f"{name}.domain")
        sets = _read_sets(record["sets"], domain, name) if "sets" in record else {}
        key = record.get("key")
        for k in [key] if "key" in record else [k for s in sets.values() for k in s]:
            _check_key(k, name)
        return cls(
            name, domain, key, sets, _read_when(record.get("when", {}), name), str(record.get("description", ""))
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key of the fit YAML that it can set."""
        if self.key is not None:
            return (self.key,)
        return tuple(dict.fromkeys(k for s in self.sets.values() for k in s))

    def overrides(self, value: Value) -> dict[str, Any]:
        """What ``value``, as the domain gives it, sets: dotted keys of the fit YAML and their values."""
        return {self.key: value} if self.key is not None else copy.deepcopy(dict(self.sets[label(value)]))

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Whether the condition holds, given the values of all active hyperparameters."""
        return all(p in values and any(same(values[p], v) for v in allowed) for p, allowed in self.when.items())

    def describe_condition(self) -> str:
        """The condition in words."""
        parts = [f"`{parent}` is {labels(allowed)}" for parent, allowed in sorted(self.when.items())]
        return f"when {' and '.join(parts)}" if parts else "always"

    def to_dict(self) -> dict[str, Any]:
        """What ``from_dict`` reads, without its name."""
        record: dict[str, Any] = {"domain": self.domain.to_dict()}
        if self.key is not None:
            record["key"] = self.key
        else:
            record["sets"] = {choice: copy.deepcopy(dict(keys)) for choice, keys in self.sets.items()}
        if self.when:
            record["when"] = {parent: list(allowed) for parent, allowed in self.when.items()}
        if self.description:
            record["description"] = self.description
        return record


def _read_domain(record: Any, where: str) -> Domain:
    check_fields(record, where, ("type",), ("bounds", "log", "choices", "ordered", "default"))
    kind = record["type"]
    if not isinstance(kind, str) or kind not in _DOMAINS:
        raise ValueError(
            f"`{where}.type` is {kind!r}, but a domain is one of {', '.join(_DOMAINS)}."
            f"{did_you_mean(str(kind), _DOMAINS)} Correct `{where}.type`."
        )
    return _DOMAINS[kind].from_dict(record, where)


def _read_sets(sets: Any, domain: Domain, name: str) -> dict[str, dict[str, Any]]:
    if not isinstance(domain, CategoricalDomain):
        raise ValueError(
            f"`{name}.sets` lists choices, but `{name}.domain` is {domain.describe()}, which has none. "
            f"Use `{name}.key`, or a domain of type `categorical`."
        )
    if not isinstance(sets, Mapping) or not all(isinstance(keys, Mapping) for keys in sets.values()):
        raise ValueError(
            f"`{name}.sets` is {sets!r}, but it must say for each choice which keys take which values. "
            "Write `sets: {choice: {dotted.key: value}}`."
        )
    given, wanted = {label(choice): dict(keys) for choice, keys in sets.items()}, [label(c) for c in domain.choices]
    if sorted(given) != sorted(wanted):
        missing, extra = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
        raise ValueError(
            f"`{name}.sets` has {'no entry for ' + ', '.join(missing) if missing else 'entries too many'}"
            f"{': it knows no choice ' + ', '.join(extra) if extra else ''}. Every choice of `{name}.domain.choices` "
            f"({', '.join(wanted)}) needs exactly one entry. Add or remove entries of `{name}.sets`."
        )
    return {choice: given[choice] for choice in wanted}


def _read_when(when: Any, name: str) -> dict[str, tuple[Value, ...]]:
    if not isinstance(when, Mapping) or not all(isinstance(v, list | tuple) and v for v in when.values()):
        raise ValueError(
            f"`{name}.when` is {when!r}, but it must name other hyperparameters, each with a list of the values for "
            f"which `{name}` is active. Write `when: {{schedule: [linear, cosine]}}`."
        )
    return {parent: tuple(sorted(allowed, key=label)) for parent, allowed in when.items()}


def _check_key(key: Any, name: str) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(
            f"`{name}` sets {key!r}, but a key of the fit YAML is a dotted path such as "
            "`model.init_args.optimizer.init_args.lr`. Write it as `lightning-quicktune fit --help` lists it."
        )
