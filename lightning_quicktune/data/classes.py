"""Classes that a record gives twice: by number, and by name beside it."""

from __future__ import annotations

from lightning_quicktune.data.fields import Fields, canonical
from lightning_quicktune.data.names import ANSWERS
from lightning_quicktune.data.values import number, texts_in

_NUMBERS = ("label", "target", "class")
_NAMES = ("{}_name", "{}_text", "{}_str", "text_{}")


def take_class_name(fields: Fields) -> None:
    """Leaves out the number of a class whose name stands beside it: `label: 1` beside `label_text: angry`.

    A number that was mapped to a known key is meant, and stays.
    """
    by_key = {canonical(fields.typed[name]): name for name in fields.values}
    for key in _NUMBERS:
        if key not in fields or by_key.get(key) != key or number(fields.values[key]) is None:
            continue
        names = [by_key[name.format(key)] for name in _NAMES if name.format(key) in by_key]
        written = next((name for name in names if texts_in(fields.values[name])), None)
        if written is not None:
            fields.drop(key)
            if written not in ANSWERS:
                fields.rename(written, key if key in ANSWERS else "label")
            return
