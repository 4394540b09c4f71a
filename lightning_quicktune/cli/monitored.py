"""Metrics that callbacks watch, looked for before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lightning_quicktune.arguments.names import closest_name


def check_monitored(callbacks: Iterable[Any], model: Any) -> None:
    """Refuses a callback that watches a metric which the model never logs in ``fit``.

    Args:
        callbacks: Those of the trainer; who watches nothing, or says that a metric may be lacking, is left alone.
        model: The LightningModule; one that doesn't tell its ``fit_metrics`` can't be checked.

    Raises:
        ValueError: If there is such a callback.
    """
    logged = getattr(model, "fit_metrics", None)
    if logged is None:
        return
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if monitor is None or monitor in logged or not getattr(callback, "strict", True):
            continue
        close = closest_name(monitor, logged)
        hint = f" Did you mean `{close}`?" if close else ""
        raise ValueError(
            f"`monitor` of {type(callback).__name__} in `trainer.callbacks` is {monitor!r}, but {type(model).__name__} "
            f"logs {', '.join(sorted(logged))}.{hint} Set `monitor` to one of them."
        )
