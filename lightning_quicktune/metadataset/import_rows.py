"""Rows of a foreign table -> whole learning curves, numbered by trial and configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from lightning_quicktune.metadataset.import_costs import cost_notes
from lightning_quicktune.metadataset.import_endings import endings, lengths_note
from lightning_quicktune.metadataset.import_order import ordered_rows
from lightning_quicktune.metadataset.import_scores import scale_notes
from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.import_slices import at_shares, merged_costs, places_in
from lightning_quicktune.metadataset.source import Source


@dataclass(frozen=True, eq=False)
class Curves:
    """Learning curves of a foreign table.

    Args:
        slices: One row per slice, trial after trial: ``trial`` (place in ``trials``), ``fidelity`` from 1, ``score``,
            ``cost_s`` and perhaps ``test/score``.
        trials: One row per trial: ``task``, ``config_id`` (the source's), ``seed``, ``configuration`` (place in
            ``configurations``), ``status``, ``failure``, ``max_fidelity``, ``unfinished_s``.
        configurations: Hyperparameters of each configuration.
        notes: What the person who imports should know of how rows were understood.
    """

    slices: pd.DataFrame
    trials: pd.DataFrame
    configurations: pd.DataFrame
    notes: tuple[str, ...]


def curve_rows(source: Source, settings: ImportSettings) -> Curves:
    """Makes learning curves of the rows of a table.

    Args:
        source: The foreign table.
        settings: Scale of its scores, slices to drop or to look at, and how trainings ended.

    Raises:
        ValueError: If rows can't be put in order, a hyperparameter changes within a learning curve, or nothing is
            left.
    """
    frame = ordered_rows(source, settings)
    source, filled = _filled(source, frame)
    heads = frame.drop_duplicates("trial", keep="last")
    n, task = len(heads), heads["task"].to_numpy()
    slices, rest_s = _slices(frame, n, settings.drop_first)
    length = np.bincount(slices["trial"], minlength=n)
    lost_at = _lost_at(slices, length)
    said = _said(source, heads["row"].to_numpy())
    trials = endings(said, task, length, lost_at < length, settings)
    known = length > 0
    if said is not None:
        known |= (trials["status"] != "completed").to_numpy(dtype=bool)
    if not known.any():
        dropped = f" once the first {settings.drop_first} slices are dropped" if settings.drop_first else ""
        raise ValueError(
            f"{settings.table} has no score{dropped}. Lower `drop_first`, or check that `columns.score` names the "
            "column of the scores."
        )
    notes = [*filled, *_left_out(frame, known, length), *_diverged(lost_at < length)]
    notes += scale_notes(source.rows[source.columns.score].to_numpy(), source.columns.score, settings)
    if source.columns.cost is not None:
        notes += cost_notes(slices["cost_s"].to_numpy(), slices["trial"].to_numpy(), settings)
    if settings.ends is None and said is None:
        notes += lengths_note(task[known], length[known])
    place = slices["place"].to_numpy()
    lost = place == lost_at[slices["trial"]]
    unfinished_s = rest_s + np.bincount(slices["trial"][lost], slices["cost_s"][lost].fillna(0.0), minlength=n)
    slices = slices[place < lost_at[slices["trial"]]]
    if settings.shares is not None:
        slices, trials, rest_s = _shared(slices, trials, settings.shares)
        unfinished_s += rest_s
    trials["unfinished_s"] = np.where(trials["status"] == "completed", 0.0, unfinished_s)
    trials = trials.assign(row=_first_taken(frame, n), seed=heads["seed"].to_numpy())
    slices = slices.assign(fidelity=slices["place"] + 1, trial=(np.cumsum(known) - 1)[slices["trial"]])
    return _numbered(source, slices, trials[known].reset_index(drop=True), notes)


def _filled(source: Source, frame: pd.DataFrame) -> tuple[Source, list[str]]:
    """The same table where hyperparameters that only some rows of a trial tell, as its first, hold for all of them."""
    rows, trial = source.rows, np.full(len(source.rows), -1)
    trial[frame["row"]] = frame["trial"]
    names: list[str] = []
    for name in source.hyperparameters:
        known = (rows[name].notna() & (trial >= 0)).to_numpy()
        told = pd.Series(rows[name].to_numpy()[known], dtype=rows[name].dtype).groupby(trial[known]).first()
        gaps = ~known & np.isin(trial, told.index)
        if gaps.any():
            column = rows[name].copy()
            column[gaps] = told.reindex(trial[gaps]).array
            rows, names = rows.assign(**{name: column}), [*names, name]
    if not names:
        return source, []
    listed = ", ".join(f"`{name}`" for name in names)
    return replace(source, rows=rows), [f"what some rows of a learning curve tell of {listed} holds for all its rows"]


def _said(source: Source, rows: Int[np.ndarray, " T"]) -> list[Any] | None:
    """What the status column says in some rows; none if there is no such column."""
    status = source.columns.status
    return None if status is None else source.rows[status].iloc[rows].tolist()


def _slices(frame: pd.DataFrame, n_trials: int, drop_first: int) -> tuple[pd.DataFrame, Float[np.ndarray, " T"]]:
    """Rows with a score, with their place among those of the trial; and the seconds after the last of each trial."""
    taken = frame["taken"].to_numpy()
    costs_s, rest_s = merged_costs(frame["trial"].to_numpy(), taken, frame["cost_s"].to_numpy(), n_trials)
    slices = frame if taken.all() else frame[taken]
    slices = slices.assign(cost_s=costs_s, place=places_in(slices["trial"].to_numpy()) - drop_first)
    return slices[slices["place"].to_numpy() >= 0].reset_index(drop=True), rest_s


def _lost_at(slices: pd.DataFrame, length: Int[np.ndarray, " T"]) -> Int[np.ndarray, " T"]:
    """Place of the first score of each trial that is not a number, its length if there is none."""
    lost = np.flatnonzero(~np.isfinite(slices["score"].to_numpy()))[::-1]
    found = length.copy()
    found[slices["trial"].to_numpy()[lost]] = slices["place"].to_numpy()[lost]  # earlier rows replace later ones
    return found


def _shared(
    slices: pd.DataFrame, trials: pd.DataFrame, shares: int
) -> tuple[pd.DataFrame, pd.DataFrame, Float[np.ndarray, " T"]]:
    trial, whole = slices["trial"].to_numpy(), trials["max_fidelity"].to_numpy()
    kept, share = at_shares(slices["place"].to_numpy(), whole[trial], shares)
    costs_s, rest_s = merged_costs(trial, kept, slices["cost_s"].to_numpy(), len(trials))
    slices = slices[kept].assign(cost_s=costs_s, place=share[kept] - 1)
    return slices, trials.assign(max_fidelity=np.minimum(whole, shares)), rest_s


def _first_taken(frame: pd.DataFrame, n_trials: int) -> Int[np.ndarray, " T"]:
    """Row of the table from which the hyperparameters of each trial are read: its first one with a score, if any."""
    row, trial, taken = (frame[name].to_numpy() for name in ("row", "trial", "taken"))
    first = np.zeros(n_trials, dtype=np.int64)
    first[trial[::-1]] = row[::-1]
    first[trial[taken][::-1]] = row[taken][::-1]
    return first


def _left_out(frame: pd.DataFrame, known: Bool[np.ndarray, " T"], length: Int[np.ndarray, " T"]) -> list[str]:
    taken, notes = frame["taken"].to_numpy(), []
    n_empty = int((~taken & (length > 0)[frame["trial"]]).sum())  # the one of a trial that failed at once stays
    if n_empty:
        notes.append(
            f"left out {n_empty} rows without a score; what they cost is part of the next slice, if one follows"
        )
    if not known.all():
        notes.append(
            f"left out {int((~known).sum())} learning curves that have no score; if these trials failed, say so by "
            "`columns.status`"
        )
    return notes


def _diverged(diverged: Bool[np.ndarray, " T"]) -> list[str]:
    return [f"{diverged.sum()} trials diverged: a score of theirs is not a number"] if diverged.any() else []


def _numbered(source: Source, slices: pd.DataFrame, trials: pd.DataFrame, notes: list[str]) -> Curves:
    names = list(source.hyperparameters)
    _check_constant(source, slices, trials)
    heads = source.rows.iloc[trials["row"].to_numpy()]
    number = heads.groupby(names, sort=False, dropna=False, observed=True).ngroup().reset_index(drop=True)
    trials = trials.assign(
        task=heads[source.columns.task].astype(str).to_numpy(),
        config_id=heads[source.columns.config_id].astype(str).to_numpy(),
        configuration=number,
    )
    if trials.duplicated(["task", "configuration", "seed"]).any():  # equal hyperparameters and seed: repetitions
        trials["seed"] = trials.groupby(["task", "configuration"]).cumcount()
    return Curves(slices, trials, heads[~number.duplicated().to_numpy()][names], tuple(notes))


def _check_constant(source: Source, slices: pd.DataFrame, trials: pd.DataFrame) -> None:
    trial, row = slices["trial"].to_numpy(), slices["row"].to_numpy()
    for name in source.hyperparameters:
        codes, _ = pd.factorize(source.rows[name])
        changes = np.flatnonzero(codes[row] != codes[trials["row"].to_numpy()][trial])
        if changes.size:
            wrong = source.rows.iloc[int(row[changes[0]])]
            columns = source.columns
            raise ValueError(
                f"The hyperparameter {name!r} changes within the learning curve of configuration "
                f"{wrong[columns.config_id]} of task {str(wrong[columns.task])!r}, at {columns.fidelity} "
                f"{wrong[columns.fidelity]}, but a configuration is trained as it is to the end. Give each "
                "configuration of a task its own `columns.config_id`, or take the column from `hyperparameters`."
            )
