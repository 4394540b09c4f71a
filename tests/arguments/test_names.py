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
