"""Finds the finetuning recipe for a dataset and a language model by transfer from earlier finetuning runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_quicktune.tuning.from_python import recommend as recommend
    from lightning_quicktune.tuning.from_python import tune as tune

__version__ = "0.1.0"
__all__ = ["__version__", "recommend", "tune"]


def __getattr__(name: str) -> Any:
    """The functions, whose module takes seconds to load, when they are first asked for."""
    if name in ("recommend", "tune"):
        from lightning_quicktune.tuning import from_python

        return getattr(from_python, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
