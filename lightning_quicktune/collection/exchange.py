"""The exchange of a collection with other machines: parts of finished trials, and tables that hold some."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lightning_quicktune.collection.known_trials import check_table, take_over, trials_of_parts, trials_of_table
from lightning_quicktune.collection.parts import Parts
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.storage import read_current
from lightning_quicktune.trials.task_setup import TaskSetup, task_objects
from lightning_quicktune.types import Trial

log = logging.getLogger(__name__)
_PATIENCE_S = 900.0  # after which a part is written of however few trials


class Exchange:
    """Takes known trials over before a collection runs, and keeps what it runs as parts.

    Args:
        settings: Says where parts and table are; without them nothing happens.
    """

    def __init__(self, settings: CollectSettings) -> None:
        self.settings = settings
        self.parts = Parts(Path(settings.parts)) if settings.parts else None
        self._last_part = time.time()  # when the newest part was written, as far as is known, or the start
        self._waiting: list[TrialPlan] = []  # ended here, and in no part yet

    def restore_tasks(self, folders: Iterable[Path]) -> None:
        """Puts the records of tasks back that the parts keep, so that no task is measured twice."""
        if self.parts:
            for folder in folders:
                self.parts.restore_task(folder)

    def known_trials(
        self, space: SearchSpace, setups: Sequence[TaskSetup], planned: Sequence[TrialPlan]
    ) -> dict[str, Trial]:
        """The planned trials that table or parts hold, by key; writes nothing.

        Args:
            space: The search space of the collection.
            setups: Its tasks.
            planned: All its trials.

        Raises:
            ValueError: If they can't be compared with those of this collection.
        """
        found: dict[str, Trial] = {}
        if self.parts:
            kept = self.parts.read()
            tell_other_labels(f"`parts: {self.settings.parts}`", [k.trial.label_version for k in kept])
            found = trials_of_parts(kept, planned)
        if self.settings.resume_from:
            table = load(self.settings.resume_from, with_test=True)
            n_trials = int(table.meta["n_trials"])
            tell_other_labels(f"`resume_from: {self.settings.resume_from}`", [table.label_version] * n_trials)
            check_table(self.settings.resume_from, table, space, [setup.info for setup in setups])
            found |= trials_of_table(table, planned)
        return found

    def take_over(self, known: Mapping[str, Trial], setups: Sequence[TaskSetup], planned: Sequence[TrialPlan]) -> None:
        """Makes known trials records of this collection, and keeps its tasks and trials as parts.

        Args:
            known: From ``known_trials``.
            setups: The tasks of the collection.
            planned: All its trials.
        """
        take_over(planned, known)
        if self.parts:
            self.parts.write_tasks(Path(self.settings.output) / "tasks" / setup.info.name for setup in setups)
            self.export(planned)

    def ended(self, plan: TrialPlan) -> None:
        """Takes note of a trial that has ended here; writes a part if there is enough for one, or the last one is old.

        Args:
            plan: The trial; no other one's record is read.
        """
        if self.parts is None:
            return
        self._waiting.append(plan)
        if len(self._waiting) >= self.settings.parts_every or self._is_last_part_old(self.parts):
            self.export(self._waiting)

    def export(self, planned: Sequence[TrialPlan]) -> None:
        """Writes those that are finished and in no part yet; one process at a time, the others leave it for later.

        Args:
            planned: Trials of the collection.
        """
        if self.parts is not None:
            with exclusive(Path(self.settings.output) / "export") as free:
                if free:
                    if self.parts.write(_unkept(self.parts, planned)) is not None:
                        self._last_part = time.time()
                    self._waiting = []

    def _is_last_part_old(self, parts: Parts) -> bool:
        """Looks at the parts only if this process has not seen a young one."""
        now = time.time()
        if now - self._last_part > _PATIENCE_S:
            newest = parts.newest()
            self._last_part = max(self._last_part, newest if newest <= now else 0.0)  # clocks of machines may be ahead
        return now - self._last_part > _PATIENCE_S


def tell_other_labels(where: str, versions: Iterable[int]) -> None:
    """Says how many trials are left out because their labels meant something else when they were trained.

    Args:
        where: Where they are.
        versions: Version of the labels of each trial there.
    """
    for version, count in sorted(Counter(v for v in versions if v != LABEL_VERSION).items()):
        log.warning(
            "%d trials in %s have labels of version %d, and this collection has version %d: the same settings train "
            "otherwise now. They are left as they are, and those that are planned are trained anew.",
            count,
            where,
            version,
            LABEL_VERSION,
        )


def check_base_model(setups: Sequence[TaskSetup]) -> None:
    """Refuses tasks that were described with other weights than the recipe gives now.

    Args:
        setups: The tasks of one recipe.

    Raises:
        ValueError: If one was.
    """
    now = task_objects(setups[0].fit)[0].loaded.info
    for base in (setup.info.base_model for setup in setups):
        if base.weight_hash != now.weight_hash:
            raise ValueError(
                f"The tasks were described with weights {base.weight_hash} of {base.name}, but "
                f"`model.init_args.base_model` in `recipe` gives {now.weight_hash}, and trials of both can't be "
                "compared. Put the base model back, or set `output` (and `parts`) to other folders."
            )


def _unkept(parts: Parts, planned: Sequence[TrialPlan]) -> list[Trial]:
    """The finished ones that are in no part yet."""
    known = parts.keys()
    trials = (read_current(plan.folder) for plan in planned if plan.key not in known)
    return [trial for trial in trials if trial is not None and trial.has_ended]
