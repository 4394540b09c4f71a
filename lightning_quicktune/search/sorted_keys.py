"""A set of keys that is always in order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

Key = tuple[float, int]


class SortedKeys:
    """Distinct pairs of a number to sort by and a place, lowest first; a change costs far less than a sort.

    Args:
        keys: What it holds at first.
    """

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = sorted(set(keys))

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def first(self) -> Key | None:
        """The lowest key, none if there is none."""
        return self._keys[0] if self._keys else None

    def position(self, key: Key) -> int:
        """How many keys are lower."""
        return bisect_left(self._keys, key)

    def set(self, key: Key, wanted: bool) -> None:
        """Makes sure that a key is held, or that it isn't."""
        at = bisect_left(self._keys, key)
        held = at < len(self._keys) and self._keys[at] == key
        if wanted and not held:
            self._keys.insert(at, key)
        elif held and not wanted:
            del self._keys[at]
