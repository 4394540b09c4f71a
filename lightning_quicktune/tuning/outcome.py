"""The one record that report, page, MLflow and Python read: all that a search did and found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.search.state import Incumbent, SearchResult, SearchState
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.tuning.predicted import PredictedSlice
from lightning_quicktune.tuning.rows import Answer, Compared, Gain
from lightning_quicktune.types import Configuration, TaskInfo


@dataclass(frozen=True)
class Similar:
    """An earlier task that the new one is like.

    Args:
        task: Its name.
        closeness: How alike they are, in [0, 1].
        words: In what, in one phrase.
    """

    task: str
    closeness: float
    words: str


@dataclass(frozen=True)
class Outlook:
    """What going on would likely bring.

    Args:
        minutes: How long it would go on.
        gain: Expected gain of the validation score.
        words: The same for people, with the advice to go on or stop.
    """

    minutes: float
    gain: float
    words: str


@dataclass(frozen=True)
class Outcome:
    """A search from its settings to what it found.

    Args:
        task: Record of the task.
        searcher: Name of who chose.
        command: What starts it again in a shell.
        created: When the record was made, ISO 8601.
        settings: What the user set, in plain values.
        splits: Records of ``train``, ``validation`` and ``test``.
        rows: The comparison on the test split, the chosen one last.
        gain: What the chosen one gains over the user's recipe, or over the best row there is without it.
        answers: Test records answered side by side, those that flipped first.
        result: What was trained, in order, and why it ended.
        incumbent: What was chosen; none if nothing was trained.
        space: The search space.
        verdict: Whether the task is like those that are known, where that was asked.
        bands: What was predicted of each tried configuration's curve before any training, by its id.
        importance: Share of the predicted variance that each hyperparameter accounts for, largest first.
        similar: The most similar earlier tasks, closest first.
        outlook: What going on would bring, where a surrogate can tell.
        left_out: What the budget didn't allow and what to be careful with, a sentence each.
        fit_yaml: Fit YAML of the chosen configuration; empty if nothing was chosen.
        carried: The same for other trainers, by their name.
        adapter: Folder of the adapter; none if nothing was chosen.
        links: Where else it is to be found, by name: ``run_id`` and ``mlflow``.
        interrupted: Ids of configurations that were given up because of errors, not because of what they are.
        has_shipped_recipe: Whether the recipe is one that the package brings, and not the user's own.
    """

    task: TaskInfo
    searcher: str
    command: str
    created: str
    settings: Mapping[str, Any]
    splits: Mapping[str, int]
    rows: tuple[Compared, ...]
    result: SearchResult
    space: SearchSpace
    incumbent: Incumbent | None = None
    gain: Gain | None = None
    answers: tuple[Answer, ...] = ()
    verdict: Verdict | None = None
    bands: Mapping[str, tuple[PredictedSlice, ...]] = field(default_factory=dict)
    importance: tuple[tuple[str, float], ...] = ()
    similar: tuple[Similar, ...] = ()
    outlook: Outlook | None = None
    left_out: tuple[str, ...] = ()
    fit_yaml: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)
    adapter: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    interrupted: tuple[str, ...] = ()
    has_shipped_recipe: bool = False

    def row(self, name: str) -> Compared | None:
        """The row of that name; none if it was left out."""
        return next((row for row in self.rows if row.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {name: getattr(self, name) for name in ("searcher", "command", "created", "fit_yaml", "adapter")}
        return plain | {
            "task": self.task.to_dict(),
            "settings": dict(self.settings),
            "splits": dict(self.splits),
            "rows": [asdict(row) for row in self.rows],
            "gain": asdict(self.gain) if self.gain else None,
            "answers": [asdict(answer) for answer in self.answers],
            "result": _result_to_dict(self.result),
            "incumbent": _incumbent_to_dict(self.incumbent),
            "space": self.space.to_dict(),
            "verdict": _verdict_to_dict(self.verdict) if self.verdict else None,
            "bands": {config_id: [asdict(s) for s in band] for config_id, band in self.bands.items()},
            "importance": [list(pair) for pair in self.importance],
            "similar": [asdict(each) for each in self.similar],
            "outlook": asdict(self.outlook) if self.outlook else None,
            "left_out": list(self.left_out),
            "carried": dict(self.carried),
            "links": dict(self.links),
            "interrupted": list(self.interrupted),
            "has_shipped_recipe": self.has_shipped_recipe,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Outcome:
        """Reads what ``to_dict`` wrote."""
        return cls(
            **{name: record[name] for name in ("searcher", "command", "created", "fit_yaml", "adapter")},
            **{name: record[name] for name in ("settings", "splits", "carried", "links")},
            left_out=tuple(record["left_out"]),
            interrupted=tuple(record["interrupted"]),
            has_shipped_recipe=bool(record.get("has_shipped_recipe")),  # which earlier versions don't have
            task=TaskInfo.from_dict(record["task"]),
            rows=tuple(Compared.from_dict(row) for row in record["rows"]),
            gain=Gain(**record["gain"]) if record["gain"] else None,
            answers=tuple(Answer(**answer) for answer in record["answers"]),
            result=_result_from_dict(record["result"]),
            incumbent=_incumbent_from_dict(record["incumbent"]),
            space=SearchSpace.from_dict(record["space"]),
            verdict=_verdict_from_dict(record["verdict"]) if record["verdict"] else None,
            bands={name: tuple(PredictedSlice(**s) for s in band) for name, band in record["bands"].items()},
            importance=tuple((name, share) for name, share in record["importance"]),
            similar=tuple(Similar(**each) for each in record["similar"]),
            outlook=Outlook(**record["outlook"]) if record["outlook"] else None,
        )


def _incumbent_to_dict(incumbent: Incumbent | None) -> dict[str, Any] | None:
    if incumbent is None:
        return None
    values = dict(incumbent.configuration.values)
    return {"configuration": values, "fidelity": incumbent.fidelity, "score": incumbent.score}


def _incumbent_from_dict(record: Mapping[str, Any] | None) -> Incumbent | None:
    if record is None:
        return None
    return Incumbent(Configuration(record["configuration"]), record["fidelity"], record["score"])


def _result_to_dict(result: SearchResult) -> dict[str, Any]:
    state = {name: getattr(result.state, name) for name in ("elapsed_s", "slices", "n_observations", "n_failed")}
    return {
        "state": state | {"incumbent": _incumbent_to_dict(result.state.incumbent)},
        "entries": [entry.to_dict() for entry in result.entries],
        "stopped_by": result.stopped_by,
    }


def _result_from_dict(record: Mapping[str, Any]) -> SearchResult:
    state = SearchState(**{**record["state"], "incumbent": _incumbent_from_dict(record["state"]["incumbent"])})
    entries = tuple(JournalEntry.from_dict(entry) for entry in record["entries"])
    return SearchResult(state, entries, record["stopped_by"])


def _verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    forecasts = [asdict(f) | {"configuration": dict(f.configuration.values)} for f in verdict.forecasts]
    return asdict(verdict) | {"forecasts": forecasts}


def _verdict_from_dict(record: Mapping[str, Any]) -> Verdict:
    forecasts = [Forecast(**{**f, "configuration": Configuration(f["configuration"])}) for f in record["forecasts"]]
    return Verdict(**{**record, "forecasts": tuple(forecasts)})
