"""Each hyperparameter of the shipped search space, moved alone, trains other weights."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything

from lightning_quicktune.compose import build, configured
from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.trainer import trial_trainer
from lightning_quicktune.types import Configuration

SPACE = SearchSpace.from_yaml(Path(__file__).parents[2] / "configs" / "space" / "lora.yaml")
RATES = {"adamw": "lr", "adafactor": "adafactor_lr", "sgd": "sgd_lr"}
FURTHEST = {
    "weight_decay": 0.3,
    "lora_plus_ratio": 16.0,
    "gradient_clip": 0.1,
    "warmup_fraction": 0.2,
}  # where they count


def start(optimizer, schedule):
    """The rate at its upper bound and what multiplies it at its largest, other values as by default."""
    values = {"optimizer": optimizer, "schedule": schedule}
    for h in SPACE.hyperparameters:
        if h.name not in values and h.is_active(values):
            values[h.name] = FURTHEST.get(h.name, h.domain.default)
    domain = next(h.domain for h in SPACE.hyperparameters if h.name == RATES[optimizer])
    return {**values, RATES[optimizer]: domain.upper}


def moved(name, values):
    """The values with one moved to a neighbour, and what becomes active or inactive by it."""
    by_name = {h.name: h for h in SPACE.hyperparameters}
    domain = by_name[name].domain
    if isinstance(domain, CategoricalDomain):
        place = domain.index(values[name])
        other = domain.choices[place - 1 if place else 1]
    else:
        other = {"gradient_clip": 0.15, "warmup_fraction": 0.0}.get(name, 0.9 * values[name])
    changed = {**values, name: other}
    active = [h for h in SPACE.hyperparameters if h.is_active(changed)]
    return {h.name: changed.get(h.name, h.domain.default) for h in active}


@pytest.fixture
def train(fit_config, tmp_path):
    fit_config["model"]["init_args"].pop("schedule")
    fit_config["trainer"] |= {"max_epochs": 1, "limit_val_batches": 0}
    fit_config["data"]["init_args"]["records_per_slice"] = (
        40  # five steps: with three, half of a line is half of a cosine
    )

    def run(values):
        configuration = Configuration(values)
        SPACE.check(configuration)
        composed = build(configured(fit_config, SPACE, configuration))
        seed_everything(3, verbose=False)
        trial_trainer(composed, tmp_path, []).fit(composed.model, composed.data)
        weights = [(tuple(w.shape), w.detach().clone()) for w in composed.model.parameters() if w.requires_grad]
        composed.model.release()
        return weights

    return run


def equal(one, other):
    return len(one) == len(other) and all(
        shape == shape2 and torch.equal(w, w2) for (shape, w), (shape2, w2) in zip(one, other, strict=True)
    )


@pytest.mark.filterwarnings("ignore")  # Lightning has much to say of so short a fit
@pytest.mark.parametrize("schedule", ["constant", "linear"])
@pytest.mark.parametrize("optimizer", RATES)
def test_moving_a_hyperparameter_alone_changes_the_weights(train, optimizer, schedule):
    values = start(optimizer, schedule)
    before = train(values)
    assert equal(before, train(values))
    for name in values.keys() - {"optimizer"}:
        assert not equal(before, train(moved(name, values))), f"{name} has no effect beside {values}"


@pytest.mark.parametrize("optimizer", RATES)
def test_no_step_turns_weights_around_by_decay_alone(optimizer):
    """Decoupled decay takes rate x ratio x decay of the weights in a step, which must stay below all of them."""
    domains = {h.name: h.domain for h in SPACE.hyperparameters}
    ratio, decay = max(domains["lora_plus_ratio"].choices), domains["weight_decay"].upper
    share = domains[RATES[optimizer]].upper * ratio * decay
    assert share < (1.0 if optimizer != "sgd" else 2.0)  # a step of SGD turns no weight into a larger one
