"""A trial in a cohort is the trial alone, whoever its neighbours are."""

import copy
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from lightning_quicktune.finetune.cohort import bank, member
from lightning_quicktune.finetune.noise import RecordNoise
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.checkpoints import LAST
from lightning_quicktune.trials.cohort_runner import run_cohort
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.types import Configuration

SPACE = Path(__file__).parents[2] / "configs" / "space" / "lora.yaml"
LEVELS = {"lr": [1e-3, 1e-2], "adafactor_lr": [0.01, 0.2], "sgd_lr": [0.01, 0.1], "weight_decay": [1e-4, 0.3]}
LEVELS |= {"warmup_fraction": [0.0, 0.2], "gradient_clip": [0.1, 10.0], "lora_dropout": [0.0, 0.2]}
LEVELS |= {"lora_rank": [4, 8, 16, 32]}  # the tiny model has no more
CONDITIONS = {"lr": "adamw", "adam_beta2": "adamw", "adafactor_lr": "adafactor", "sgd_lr": "sgd", "sgd_momentum": "sgd"}


@pytest.fixture(scope="module")
def lora_space():
    """The shipped space, with the ranks that a tiny model can have."""
    space = yaml.safe_load(SPACE.read_text())
    space["lora_rank"]["domain"] |= {"choices": LEVELS["lora_rank"], "default": 4}
    return SearchSpace.from_dict(space)


def levels() -> dict[str, list]:
    """Values of each hyperparameter: all choices, and both ends of what is continuous."""
    space = yaml.safe_load(SPACE.read_text())
    return {name: LEVELS.get(name) or entry["domain"]["choices"] for name, entry in space.items()}


def is_active(name: str, values: dict) -> bool:
    if name == "warmup_fraction":
        return values["schedule"] != "constant"
    return CONDITIONS.get(name, values["optimizer"]) == values["optimizer"]


def covering_design() -> list[dict]:
    """Configurations in which every pair of values that can occur together does, found greedily."""
    domains = levels()
    names = list(domains)
    missing = {
        frozenset([(a, x), (b, y)])
        for a, b in itertools.combinations(names, 2)
        for x, y in itertools.product(domains[a], domains[b])
    }
    draw, rows = torch.Generator().manual_seed(0), []
    for _ in range(400):
        values: dict = {}
        for name in sorted(
            names, key=lambda n: (n != "optimizer", n != "schedule", int(torch.randint(99, (), generator=draw)))
        ):
            if values.keys() >= {"optimizer", "schedule"} and not is_active(name, values):
                continue
            gain = {
                value: sum(frozenset([(name, value), pair]) in missing for pair in values.items())
                + float(torch.rand((), generator=draw)) / 2
                for value in domains[name]
            }
            values[name] = max(gain, key=gain.get)
        pairs = {frozenset(pair) for pair in itertools.combinations(values.items(), 2)}
        if pairs & missing:
            rows.append(values)
            missing -= pairs
    possible = [pair for pair in missing if can_occur(dict(pair))]
    assert not possible, possible
    return rows


def can_occur(pair: dict) -> bool:
    needed = {CONDITIONS[name] for name in pair if name in CONDITIONS} | {pair[n] for n in pair if n == "optimizer"}
    return len(needed) < 2 and not ("warmup_fraction" in pair and pair.get("schedule") == "constant")


@pytest.fixture
def make_plans(setup, lora_space, make_plan, tmp_path):
    """Plans of configurations, in a folder of that name, with another fit YAML if given."""

    def make(folder, rows, seed=7, setup=setup):
        plan = replace(make_plan("unused"), task=setup.info, fit=setup.fit, space=lora_space, seed=seed)
        return [
            replace(plan, configuration=Configuration(row), folder=tmp_path / folder / str(n), test_each_slice=True)
            for n, row in enumerate(rows)
        ]

    return make


def weights(plan) -> dict:
    return torch.load(plan.folder / LAST, weights_only=True)["state_dict"]


def moved_apart(ours, theirs, start) -> float:
    """Norm of the difference over the norm moved."""
    flat = [torch.cat([w[name].flatten().double().cpu() for name in theirs]) for w in (ours, theirs, start)]
    return float((flat[0] - flat[1]).norm() / (flat[1] - flat[2]).norm())


def start_of(plan, setup) -> dict:
    """The weights that a trial begins with, from the learning rate 0 in its place."""
    from lightning_quicktune.compose import build
    from lightning_quicktune.data.seeding import seed_slice
    from lightning_quicktune.finetune.lora import attach_adapter, detach_adapter

    module = build(plan.resolved).model
    seed_slice(plan.seed, 0)
    adapted = attach_adapter(module.loaded, module.lora)
    found = {f"model.{n}": p.detach().clone() for n, p in adapted.named_parameters() if p.requires_grad}
    detach_adapter(adapted)
    return found


def in_double(fit_config) -> dict:
    fit = copy.deepcopy(fit_config)
    fit["model"]["init_args"]["base_model"]["dtype"] = "float64"
    return fit


@pytest.fixture
def whole_precision(monkeypatch):
    """Lets the normalization of Phi-3 keep float64, which Transformers rounds to float32 inside."""
    from transformers.models.phi3.modeling_phi3 import Phi3RMSNorm

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)

    monkeypatch.setattr(Phi3RMSNorm, "forward", forward)


def test_the_design_has_every_pair():
    rows = covering_design()
    assert 15 <= len(rows) <= 60
    assert {row["lora_variant"] for row in rows} == {"lora", "rslora", "dora"}


def check(make_plans, rows, setup, tolerance, fidelity=2):
    ours, theirs = make_plans("cohort", rows, setup=setup), make_plans("alone", rows, setup=setup)
    trials = run_cohort(ours, [fidelity] * len(ours))
    for plan, other, trial in zip(ours, theirs, trials, strict=True):
        reference = run_trial(other, fidelity)
        assert (trial.status, trial.failure) == (reference.status, reference.failure), plan.configuration.values
        scores = list(zip(trial.curve.slices, reference.curve.slices, strict=True))
        assert scores
        for mine, alone in scores:
            assert mine.score == pytest.approx(alone.score, abs=1e-4), plan.configuration.values
            loss, test_loss = (pytest.approx(of["loss"], rel=1e-4) for of in (alone.metrics, alone.test_metrics))
            assert (mine.metrics["loss"], mine.test_metrics["loss"]) == (loss, test_loss), plan.configuration.values
            assert mine.cost_tokens == alone.cost_tokens
            assert mine.cohort_size == len(rows)
        apart = moved_apart(weights(plan), weights(other), start_of(other, setup))
        assert apart < tolerance, plan.configuration.values


@pytest.fixture(params=["by rank", "padded"])
def either_way(request, monkeypatch):
    """Products as a CPU takes them, and as a GPU does."""
    for module in (bank, member):
        monkeypatch.setattr(module, "goes_by_rank", lambda device: request.param == "by rank")


def test_a_few_trials_in_float32_have_the_scores_that_they_have_alone(make_plans, setup):
    check(make_plans, covering_design()[:5], setup, 0.05)


def test_and_in_float64_the_weights(make_plans, fit_config, colour_task, tmp_path, whole_precision, either_way):
    setup = set_up_task(str(colour_task), in_double(fit_config), 4, tmp_path / "double")
    check(make_plans, covering_design()[5:10], setup, 1e-8)


def test_answers_are_generated_after_the_last_slice_as_alone(make_plans, setup):
    rows = covering_design()[:2]
    ours, theirs = make_plans("cohort", rows), make_plans("alone", rows)
    for mine, plan in zip(run_cohort(ours, [4, 4]), theirs, strict=True):
        alone = run_trial(plan, 4)
        assert ["exact_match" in s.test_metrics for s in mine.curve.slices] == [False] * 3 + [True]
        assert mine.curve.slices[-1].test_metrics == pytest.approx(alone.curve.slices[-1].test_metrics, abs=1e-4)


@pytest.mark.slow
def test_every_pair_of_settings_in_float64(make_plans, fit_config, colour_task, tmp_path, whole_precision, either_way):
    setup = set_up_task(str(colour_task), in_double(fit_config), 4, tmp_path / "double")
    check(make_plans, covering_design(), setup, 1e-8)


@pytest.mark.slow
def test_every_pair_of_settings_in_float32(make_plans, setup):
    check(make_plans, covering_design(), setup, 0.05)


def on_gpu(fit, precision) -> dict:
    fit = copy.deepcopy(fit)
    fit["trainer"] |= {"accelerator": "gpu", "precision": precision}
    return fit


@pytest.mark.gpu
def test_on_a_gpu_in_float64_the_weights_of_every_pair_of_settings(
    make_plans, fit_config, colour_task, tmp_path, whole_precision
):
    setup = set_up_task(str(colour_task), on_gpu(in_double(fit_config), "32-true"), 4, tmp_path / "gpu")
    check(make_plans, covering_design(), setup, 1e-8)


@pytest.mark.gpu
def test_on_a_gpu_in_float32_the_scores(make_plans, fit_config, colour_task, tmp_path):
    setup = set_up_task(str(colour_task), on_gpu(fit_config, "32-true"), 4, tmp_path / "gpu")
    check(make_plans, covering_design()[:12], setup, 0.05)


@pytest.mark.gpu
def test_on_a_gpu_in_bfloat16_the_scores_are_reported(make_plans, fit_config, colour_task, tmp_path, record_property):
    setup = set_up_task(str(colour_task), on_gpu(fit_config, "bf16-mixed"), 4, tmp_path / "gpu")
    rows = covering_design()[:12]
    ours, theirs = make_plans("cohort", rows, setup=setup), make_plans("alone", rows, setup=setup)
    trials, references = run_cohort(ours, [2] * len(rows)), [run_trial(plan, 2) for plan in theirs]
    pairs = [(a.curve.scores[-1], b.curve.scores[-1]) for a, b in zip(trials, references, strict=True)]
    record_property("largest difference of a score", max(abs(a - b) for a, b in pairs))
    assert [a for a, _ in pairs] == pytest.approx([b for _, b in pairs], rel=0.1)


@pytest.mark.gpu
def test_noise_is_the_same_on_a_gpu():
    keys, hidden = torch.arange(-5, 5, dtype=torch.int32), torch.zeros(10, 7, 33)
    ours = RecordNoise(keys).words(hidden, "q_proj")
    theirs = RecordNoise(keys.cuda()).words(hidden.cuda(), "q_proj")
    assert torch.equal(ours, theirs.cpu())
