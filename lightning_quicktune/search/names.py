"""Names of the search methods and acquisition functions; light to import, so that the command line answers quickly."""

from __future__ import annotations

from typing import Literal

SearcherName = Literal[
    "default",
    "zero_shot",
    "random",
    "random_nearest",
    "successive_halving",
    "portfolio",
    "portfolio_asha",
    "forest_portfolio",
    "forest_portfolio_asha",
    "nearest_task_portfolio",
    "optuna",
    "dehb",
    "transfer",
    "quicktune",
    "curve_transfer",
    "transfer_guarded",
]

Acquisition = Literal["next", "final", "random_horizon"]
DEFAULT_ACQUISITION: Acquisition = "final"  # the least regret of the three where they were compared
