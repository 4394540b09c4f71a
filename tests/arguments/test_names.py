import pytest

from lightning_quicktune.arguments.names import closest_name

KNOWN = ("task", "budget.seconds", "budget.slices", "lora.rank", "lora.alpha_over_rank", "model", "data")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lora.alpha", "lora.alpha_over_rank"),
        ("taks", "task"),
        ("budget.secnods", "budget.seconds"),
        ("seconds", "budget.seconds"),
        ("modle.init_args.lr", "model.init_args.lr"),
        ("nothing_like_it", None),
        ("", "task"),
    ],
)
def test_the_name_that_is_meant(typed, meant):
    assert closest_name(typed, KNOWN) == meant


@pytest.mark.parametrize("typed", ["lr", "model.lr", "model.optimizer.rl", "optimizer.init_args.rl"])
def test_the_last_part_of_a_name_is_enough(typed):
    assert closest_name(typed, ("trainer.max_epochs", "optimizer.init_args.lr", "data")) == "optimizer.init_args.lr"
