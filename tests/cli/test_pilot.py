"""A pilot: from no experience at all to a tuned task, by the commands and the order that a user has."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient

from lightning_quicktune.compose import to_yaml
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.tracking.tracker import Tracker

N_TRIALS = 200
TASKS = {"tiny": 16, "small": 24, "medium": 36, "large": 48}  # training records
N_CONFIGURATIONS = N_TRIALS // len(TASKS)
MAX_FIDELITY = 2
CONFIGS = Path(__file__).parents[2] / "configs"
KINDS = ("performance", "cost", "curves")


@pytest.fixture
def workplace(fit_config, small_space, write_colours, tmp_path, monkeypatch) -> Path:
    """The folder that a user works in: recipe, search space, tasks; ``mlflow.db`` comes to be there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    Path("recipe.yaml").write_text(to_yaml(fit_config))
    Path("space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))
    for name, n_train in {**TASKS, "unseen": 30}.items():
        write_colours(Path("tasks") / name, n_train)
    return tmp_path


def command(*words: str) -> str:
    """Runs the command line in a process of its own; gives what it prints."""
    done = subprocess.run([sys.executable, "-m", "lightning_quicktune", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def configured(subcommand: str, **settings: object) -> str:
    """Runs a subcommand with a YAML of settings."""
    path = Path(f"{subcommand}.yaml")
    path.write_text(yaml.safe_dump(settings))
    return command(subcommand, "--config", str(path))


def surrogate_words(kind: str, source: str) -> list[str]:
    files = [CONFIGS / "trainer" / "surrogate.yaml", CONFIGS / "model" / f"{kind}.yaml"]
    words = [word for path in (*files, CONFIGS / "data" / "metadataset.yaml") for word in ("--config", str(path))]
    short = ["--trainer.max_epochs", "2", "--trainer.enable_progress_bar", "false"]
    return [*words, *short, "--data.init_args.source", source]


def collect_and_check() -> str:
    """Collects the trials; gives the URI of their table, as the command prints it."""
    n_fresh = N_CONFIGURATIONS // 2
    printed = configured(
        "collect",
        tasks=[f"tasks/{name}" for name in TASKS],
        recipe="recipe.yaml",
        space="space.yaml",
        output="collection",
        max_fidelity=MAX_FIDELITY,
        n_shared=N_CONFIGURATIONS - n_fresh,
        n_fresh=n_fresh,
    )
    assert f"{N_TRIALS} trials of {len(TASKS)} tasks are in collection/meta_dataset" in printed
    (source,) = re.findall(r"runs:/\w+/meta_dataset", printed)
    table = load(source, with_test=True)
    trials = table.trials
    assert set(table.task_names) == set(TASKS)
    assert trials.groupby(["task", "config_id", "seed"]).ngroups == N_TRIALS
    assert len(trials) == N_TRIALS * MAX_FIDELITY
    assert set(trials["status"]) == {"completed"}
    assert np.isfinite(trials[["score", "test/score", "cost_s", "cost_cpu_s", "reference_step_s"]]).all(axis=None)
    assert (trials.groupby("config_id")["task"].nunique() == len(TASKS)).sum() == N_CONFIGURATIONS - n_fresh
    assert len(Tracker(None, "meta-dataset").read_trials()) == N_TRIALS
    assert trials.equals(load("collection/meta_dataset", with_test=True).trials)
    return source


def fit_and_register(kind: str, source: str) -> str:
    """Trains a surrogate on the table in MLflow; gives its URI in the model registry."""
    words = surrogate_words(kind, source)
    logger = ["--config", str(CONFIGS / "tracking" / "mlflow.yaml")]
    command("fit", *words, *logger)
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("fit")
    assert experiment is not None
    (logged,) = client.search_runs([experiment.experiment_id], f"params.`model.output` = 'surrogates/{kind}'")
    kept = {item.path for item in client.list_artifacts(logged.info.run_id, "surrogate")}
    assert kept >= {"surrogate/surrogate.json", "surrogate/weights.safetensors"}
    card = json.loads((Path("surrogates") / kind / "surrogate.json").read_text())
    assert card["provenance"]["n_trials"] == N_TRIALS
    uri = Tracker(None, "fit").register(logged.info.run_id, "surrogate", f"pilot-{kind}")
    assert uri == f"models:/pilot-{kind}/1"
    return uri


def predict_and_check(kind: str, source: str) -> None:
    """Predictions are finite, of every configuration that was tried on the held-out task, at every fidelity."""
    command("predict", *surrogate_words(kind, source))
    rows = pd.read_parquet(Path("surrogates") / kind / "predictions.parquet")
    (task,) = set(rows["task"])
    trials = load(source).trials
    assert set(rows["config_id"]) == set(trials.loc[trials["task"] == task, "config_id"])
    assert len(rows) == N_CONFIGURATIONS * (1 if kind == "cost" else MAX_FIDELITY)
    assert np.isfinite(rows.select_dtypes("number")).all(axis=None)
    if kind != "performance":
        assert (rows["cost_s"] > 0).all()
    if kind != "cost":
        assert (rows["std"] > 0).all()


def describe_and_check(source: str) -> None:
    printed = configured("describe", meta_dataset=source)
    assert f"- {len(TASKS)} tasks, {N_TRIALS} trials, {N_TRIALS * MAX_FIDELITY} slices" in printed


def evaluate_and_check(source: str) -> None:
    methods = ["curve_transfer", "transfer", "successive_halving"]
    configured(
        "evaluate",
        meta_dataset=source,
        output="evaluation",
        methods=methods,
        budgets=[0.5, 1.0, 2.0],
        n_folds=2,
        n_seeds=2,
        surrogates={"epochs": 1, "steps_per_epoch": 10, "n_support": 128},
    )
    results = pd.read_parquet("evaluation/report/results.parquet")
    assert set(results["method"]) == set(methods)
    assert np.isfinite(results["regret"]).all()
    assert all(Path(f"evaluation/report/{name}").is_file() for name in ("report.md", "regret.png", "rank.svg"))


def recommend_and_check(surrogates: dict[str, str], name: str) -> None:
    settings = {"recipe": "recipe.yaml", "output": f"recommended-{name}", "k": 3, "pool_size": 32}
    configured("recommend", task="tasks/unseen", surrogates=surrogates, **settings)
    record = json.loads(Path(f"recommended-{name}/recommendations.json").read_text())
    assert [each["rank"] for each in record["recommendations"]] == [1, 2, 3]
    for each, file in zip(record["recommendations"], record["files"], strict=True):
        assert len(each["curve"]) == MAX_FIDELITY
        assert all(0 <= step["lower"] <= step["upper"] <= 1 for step in each["curve"])
        assert np.isfinite([step["score"] for step in each["curve"]]).all()
        assert each["cost_s"] > 0
        fit = yaml.safe_load(Path(f"recommended-{name}", file).read_text())
        assert fit["model"]["init_args"]["optimizer"]["init_args"]["lr"] == each["configuration"]["lr"]


def tune_and_check(searcher: str, surrogates: dict[str, str]) -> None:
    output = Path(f"tuned-{searcher}")
    settings = {"recipe": "recipe.yaml", "budget": {"slices": 4}, "pool_size": 8, "output": str(output)}
    printed = configured("tune", task="tasks/unseen", searcher=searcher, surrogates=surrogates, **settings)
    assert "unseen: answer likelihood " in printed
    assert (output / "result" / "adapter" / "adapter_model.safetensors").is_file()
    assert f"Searcher: {searcher}" in (output / "result" / "report.md").read_text()
    assert yaml.safe_load((output / "result" / "fit.yaml").read_text())["trainer"]["max_epochs"] == MAX_FIDELITY
    lines = (output / "observations.jsonl").read_text().splitlines()[1:]
    assert lines
    assert all(np.isfinite([step["score"] for step in json.loads(line)["curve"]]).all() for line in lines)


@pytest.mark.slow
def test_trials_of_a_tiny_phi3_pass_through_every_command(workplace):
    """Trains 200 trials, then what is learned from them: some minutes."""
    source = collect_and_check()
    registered = {kind: fit_and_register(kind, source) for kind in KINDS}
    for kind in KINDS:
        predict_and_check(kind, source)
    describe_and_check(source)
    evaluate_and_check(source)
    networks, curves = {k: registered[k] for k in ("performance", "cost")}, {"curves": registered["curves"]}
    recommend_and_check(networks, "networks")
    recommend_and_check(curves, "curves")
    tune_and_check("transfer", networks)
    tune_and_check("transfer_guarded", curves)
