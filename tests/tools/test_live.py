"""The benchmark of search methods on live trials, on two trials of the miniature model and on made-up results."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lightning_quicktune.compose import to_yaml, with_overrides
from lightning_quicktune.files.whole import write_json
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.types import Suggestion

TOOLS = Path(__file__).parents[2] / "tools" / "benchmarks"
CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def live(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import live

    return live


def test_the_configs_parse(live):
    for path in sorted(TOOLS.glob("live_*.yaml")):
        settings = live.settings_of(["--config", str(path), "--data", "somewhere"])
        assert Path(settings.recipe).is_file()
        assert settings.methods[-1] == live.OURS


@pytest.fixture
def plan_of(colour_task, fit_config, small_space, tmp_path):
    fit = with_overrides(fit_config, {"data.init_args.records_per_slice": 8})
    setup = set_up_task(str(colour_task), fit, 3, tmp_path / "task")

    def make(configuration):
        return TrialPlan(setup.info, setup.fit, small_space, configuration, 0, tmp_path / "trials" / configuration.id)

    return make


def test_a_trial_is_trained_once_and_shows_no_more_than_was_asked_for(live, plan_of, small_space):
    """Takes seconds: two starts of a trainer."""
    default = small_space.default
    first, second = live.StoredTrials(plan_of), live.StoredTrials(plan_of)
    first.submit(Suggestion(default, 2))
    curve = first.wait().curve
    second.submit(Suggestion(default, 1))
    assert second.wait().curve.scores == curve.scores[:1]
    assert (first.trained, second.trained) == (2, 0)
    second.submit(Suggestion(default, 3))
    whole = second.wait()
    assert whole.curve.scores[:2] == curve.scores
    assert (second.trained, whole.failed) == (1, False)
    folder, scores = plan_of(default).folder, read_trial(plan_of(default).folder).curve.scores
    best = {n for n, score in enumerate(scores, start=1) if score > max(scores[: n - 1], default=-np.inf)}
    assert {path.name for path in folder.glob("slice-*.ckpt")} == {f"slice-{n}.ckpt" for n in best}


def result(loss):
    means = {"answer_likelihood": float(np.exp(-np.mean(loss))), "exact_match": 0.5, "token_f1": 0.5, "rouge_l": 0.5}
    return {"means": means, "loss": list(loss), "targets": [2.0] * len(loss)}


def test_tables_say_how_much_better_and_how_surely(live):
    generator = np.random.default_rng(0)
    bad, good = np.full(60, 2.0), np.full(60, 1.0)
    noise = generator.normal(0, 0.1, (2, 60))
    found = {(task, 0, 9, "random"): result(bad + noise[0]) for task in ("a", "b")}
    found |= {(task, 0, 9, live.OURS): result(good + noise[1]) for task in ("a", "b")}
    text = live.tables(found, ["random", live.OURS], [9], 1)
    rows = [line for line in text.splitlines() if line.startswith("| random |")]
    assert len(rows) == 2  # of the methods, and of the differences task by task
    value, lower = (float(part) for part in rows[0].split(" | ")[-1].split("]")[0].replace(" [", ", ").split(", ")[:2])
    assert value == pytest.approx(np.exp(-1) - np.exp(-2), abs=0.02)
    assert 0.15 < lower < value
    assert rows[1].count("[") == 2
    alike = {key: result(bad) for key in found}
    assert "+0.000 [+0.000, +0.000]" in live.tables(alike, ["random", live.OURS], [9], 1)


def test_what_was_found_is_read_again_and_needs_neither_data_nor_a_model(live, tmp_path, capsys):
    config = tmp_path / "live.yaml"
    settings = {
        "tasks": ["towns", "ships"],
        "recipe": str(CONFIGS / "recipe" / "smollm2_trial.yaml"),
        "output": str(tmp_path / "runs"),
        "experience": "smollm2",
        "methods": ["random", live.OURS],
        "budgets": [9],
        "data": str(tmp_path / "gone"),
        "results": str(tmp_path / "results"),
    }
    config.write_text(to_yaml(settings))
    for number, (task, method) in enumerate(product(settings["tasks"], settings["methods"])):
        kept = result([float(number)] * 20) | {"config_id": "c", "fidelity": 1}
        write_json(tmp_path / "results" / task / f"{method}-9-0.json", kept)
    live.main(["--config", str(config)])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(f"| {live.OURS} |"))
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["0.368", "0.050"]
