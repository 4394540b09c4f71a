"""The known name that a wrong one most likely stands for."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches


def closest_name(name: str, known: Collection[str]) -> str | None:
    """The known dotted name that is meant, if one is likely.

    A name that goes on after what was typed comes first, then one that is spelled alike as a whole, alike in its last
    part or of the same letters there, or alike in the part before the first dot.

    Args:
        name: What was typed, without dashes before it.
        known: Names that there are.
    """
    longer = sorted((each for each in known if each.startswith(name)), key=len)
    if longer:
        return longer[0]
    if alike := get_close_matches(name, list(known), 1, 0.75):
        return alike[0]
    lasts = {each.rpartition(".")[2]: each for each in sorted(known, key=lambda each: -each.count("."))}
    last = name.rpartition(".")[2]
    if alike := get_close_matches(last, list(lasts), 1, 0.75):
        return lasts[alike[0]]
    if swapped := [lasts[each] for each in lasts if sorted(each) == sorted(last)]:
        return swapped[0]
    first, dot, rest = name.partition(".")
    if dot and (alike := get_close_matches(first, {each.partition(".")[0] for each in known} - {first}, 1)):
        return f"{alike[0]}.{rest}"
    return None
