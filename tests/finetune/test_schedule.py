import pytest
import torch

from lightning_quicktune.finetune.schedule import ScheduleSettings


def rates(settings, n_steps=20):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = settings.build(optimizer, n_steps)
    seen = []
    for _ in range(n_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_linear_falls_to_zero_after_the_warm_up():
    seen = rates(ScheduleSettings("linear", 0.1))
    assert seen[:3] == [0.0, 0.5, 1.0]
    assert seen[3:] == pytest.approx([1 - i / 18 for i in range(1, 18)])


def test_cosine_is_half_way_down_in_the_middle_and_constant_stays():
    assert rates(ScheduleSettings("cosine"))[10] == pytest.approx(0.5)
    assert set(rates(ScheduleSettings("constant"))) == {1.0}


def test_a_warm_up_of_everything_names_its_key():
    with pytest.raises(ValueError, match=r"warm-up fraction is 1.0, .* `model.init_args.schedule.warmup_fraction`"):
        ScheduleSettings("linear", 1.0)
