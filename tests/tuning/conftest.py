import json
import math
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.search.state import Incumbent, SearchResult, SearchState
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.tuning.outcome import Outcome, Outlook, Similar
from lightning_quicktune.tuning.predicted import PredictedSlice
from lightning_quicktune.tuning.rows import Answer, Compared, Gain
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.types import (
    BaseModelInfo,
    LearningCurve,
    Observation,
    SliceResult,
    Suggestion,
    TaskInfo,
)

SLICES = 9
QUESTIONS = (
    ("How long may I return a lamp that I have opened?", "30 days", "You can return the lamp at any time.", "14 days"),
    ("Do you ship to Iceland?", "Yes, in 5 to 8 days", "I am sorry, I do not know.", "Yes, in 5 to 8 days"),
    ("Which bulb fits the model Nora?", "E14", "The Nora is a lamp. It has a bulb.", "E27"),
)


def curve(end, n):
    scores = [0.29 + (end - 0.29) * (1 - math.exp(-i / 2.5)) for i in range(1, n + 1)]
    return LearningCurve(tuple(SliceResult(i, s, 4.0, 8.0, 900) for i, s in enumerate(scores, start=1)))


def searched(space, n, draw):
    """``n`` configurations, each trained once; the fourth failed and the fifth was interrupted."""
    configurations = [space.default, *space.sample(n - 1, seed=1)][:n]
    entries = []
    for place, configuration in enumerate(configurations):
        failed = place in (3, 4)
        slices = 0 if failed else draw.choice([2, 3, 5, SLICES])
        trained = curve(draw.uniform(0.35, 0.6) if place != 1 else 0.66, slices if place != 1 else SLICES)
        observation = Observation(configuration, trained, failed, 4.3 * slices + 1)
        entries.append(JournalEntry(Suggestion(configuration, SLICES), observation, 0.2, 30.0 * (place + 1)))
    return entries


def compared(name, configuration, hits, n, scores=()):
    right = tuple(float(i < hits) for i in range(n))
    likely = tuple(0.2 + 0.5 * value for value in right)
    metrics = {"label_accuracy": sum(right) / n, "answer_likelihood": sum(likely) / n, "loss": 1.2}
    return Compared(
        name,
        configuration.id if configuration else None,
        len(scores),
        max(scores, default=0.31),
        metrics,
        {"label_accuracy": right, "answer_likelihood": likely},
        41.0,
        configuration.values if configuration else {},
        scores,
    )


@pytest.fixture
def settings(tmp_path, fit_config, colour_task, small_space, filled_database):
    """A random search of the tiny model; changes are keys of the YAML."""
    shutil.copyfile(filled_database, tmp_path / "mlflow.db")
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))

    def make(**changes) -> TuneSettings:
        plain = {
            "task": str(colour_task),
            "recipe": "recipe.yaml",
            "space": "space.yaml",
            "searcher": "successive_halving",
            "budget": {"slices": 5},
            "max_fidelity": 3,
            "pool_size": 4,
            "output": str(tmp_path / "search"),
            "tracking": {"experiment": "tuned", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
        }
        (tmp_path / "tune.yaml").write_text(
            yaml.safe_dump({k: v for k, v in {**plain, **changes}.items() if v is not None})
        )
        return parse_settings("tune", TuneSettings, ["--config", str(tmp_path / "tune.yaml")])

    return make


@pytest.fixture
def observed(tmp_path):
    """Reads what the search has observed: ``() -> entries``."""

    def read(folder="search"):
        lines = (tmp_path / folder / "observations.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines[1:]]

    return read


@pytest.fixture(scope="session")
def lora_space():
    return SearchSpace.from_yaml(Path(__file__).parents[2] / "configs" / "space" / "lora.yaml")


@pytest.fixture
def make_outcome(lora_space):
    """Makes what a search of ``n_trials`` found, with all parts; ``changes`` replace some."""

    def make(n_trials=12, n_records=63, **changes) -> Outcome:
        draw, space = random.Random(0), lora_space
        entries = searched(space, n_trials, draw)
        trained = [e for e in entries if e.observation.curve.scores]
        best = max(trained, key=lambda e: e.observation.curve.scores[-1])
        chosen, scores = best.suggestion.configuration, best.observation.curve.scores
        incumbent = Incumbent(chosen, len(scores), scores[-1])
        recipe = space.sample(3, seed=9)[2]
        rows = [
            compared("zero-shot", None, round(0.29 * n_records), n_records),
            compared("strong", recipe, round(0.37 * n_records), n_records, curve(0.4, SLICES).scores),
            compared("recipe", space.default, round(0.41 * n_records), n_records, curve(0.44, SLICES).scores),
            compared("chosen", chosen, round(0.62 * n_records), n_records, scores),
        ]
        band = [PredictedSlice(i, 0.3 + 0.03 * i, 0.25 + 0.02 * i, 0.36 + 0.038 * i) for i in range(1, SLICES + 1)]
        forecasts = [
            Forecast(e.suggestion.configuration, k + 1, s + draw.gauss(0, 0.03), 0.03, s, 0)
            for e in trained
            for k, s in list(enumerate(e.observation.curve.scores))[::4]
        ]
        answers = [Answer(q, right, base, recipe, right, recipe != right) for q, right, base, recipe in QUESTIONS]
        state = SearchState(30.0 * n_trials, sum(e.observation.curve.fidelity for e in entries), n_trials, 2, incumbent)
        task = TaskInfo("shop", BaseModelInfo("smollm2-135m", 134_515_008, "ab"), "label_accuracy", SLICES, 64, 0.31)
        outcome = Outcome(
            task=task,
            searcher="transfer_guarded",
            command="lightning-quicktune tune shop.jsonl --model smollm2 --time 10m",
            created="2026-11-27T23:40:11+00:00",
            settings={"task": "shop.jsonl", "seed": 0},
            splits={"train": 480, "validation": 60, "test": n_records},
            rows=tuple(rows),
            result=SearchResult(state, tuple(entries), "budget"),
            space=space,
            incumbent=incumbent,
            gain=Gain("recipe", "label_accuracy", 0.21, 0.08, 0.33, n_records),
            answers=tuple((answers * 4)[:10]),
            verdict=Verdict(tuple(forecasts), 3.1, -0.4, 1),
            bands={chosen.id: tuple(band)},
            importance=(("lr", 0.46), ("optimizer", 0.21), ("lora_rank", 0.11), ("batch_size", 0.07)),
            similar=(Similar("clinc150", 0.81, "answer lengths and zero-shot loss"), Similar("boolq", 0.64, "sizes")),
            outlook=Outlook(10.0, 0.01, "Another 10 minutes would likely bring about +0.01: stop here."),
            left_out=("The space's default was not trained: 4 s were left and it needs about 40 s.",),
            fit_yaml="model:\n  class_path: CausalLMFinetuner\n  init_args:\n    lora:\n      rank: 32\n",
            carried={"trl": "SFTConfig(learning_rate=8e-4)", "axolotl": "lora_r: 32", "llamafactory": "lora_rank: 32"},
            adapter="runs/shop/result/adapter",
            links={"run_id": "0123abc", "mlflow": "http://localhost:5000/#/experiments/1"},
            interrupted=(entries[4].suggestion.configuration.id,) if n_trials > 4 else (),
        )
        return replace(outcome, **changes)

    return make
