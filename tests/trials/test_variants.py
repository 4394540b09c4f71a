"""Whole trials of many kinds, one after the other in one worker."""

import copy
import ctypes
import dataclasses
import gc
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lightning_quicktune.trials.checkpoints import LAST
from lightning_quicktune.trials.runner import run_trial

ADAFACTOR = {"class_path": "lightning_quicktune.finetune.adafactor.Adafactor", "init_args": {"lr": 0.01}}
SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01, "momentum": 0.9}}
VARIANTS = {
    "dora, neftune, lora plus": (
        {"lora": {"rank": 4, "variant": "dora"}, "neftune_alpha": 5.0, "lora_plus_ratio": 8.0},
        {},
    ),
    "pissa, adafactor": ({"lora": {"rank": 4, "initialization": "pissa"}, "optimizer": ADAFACTOR}, {}),
    "packing, sgd": ({"optimizer": SGD}, {"packing": True}),
    "label smoothing, all-linear": ({"lora": {"rank": 4, "targets": "all-linear"}, "label_smoothing": 0.1}, {}),
}
FRESH = """
import pickle, sys
from lightning_quicktune.trials.runner import run_trial
for plan in pickle.load(open(sys.argv[1], "rb")):
    run_trial(plan, 2)
"""


@pytest.fixture
def variant_plan(make_plan):
    def make(folder, name):
        model, data = VARIANTS[name]
        plan = make_plan(folder)
        fit = copy.deepcopy(dict(plan.fit))
        fit["model"]["init_args"] |= copy.deepcopy(model)
        fit["data"]["init_args"] |= data
        return dataclasses.replace(plan, fit=fit)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_trial_after_all_others_equals_one_in_a_fresh_process_bit_for_bit(variant_plan, tmp_path, name):
    fresh, used = variant_plan("fresh", name), variant_plan("used", name)
    (tmp_path / "plans").write_bytes(pickle.dumps([fresh]))
    subprocess.run([sys.executable, "-c", FRESH, str(tmp_path / "plans")], check=True, timeout=1200)
    for number, other in enumerate(VARIANTS):
        run_trial(variant_plan(f"before{number}", other), 1)
    trial = run_trial(used, 2)
    assert (trial.status, trial.failure) == ("paused", None)
    ours, theirs = (torch.load(plan.folder / LAST, weights_only=True)["state_dict"] for plan in (used, fresh))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.slow
def test_memory_does_not_grow_over_forty_trials_of_all_variants(variant_plan):
    """Half a minute; one copy of the base model left behind by each trial would be 5 MB.

    What is free goes back to the system first: in a process that ran other tests before it is a matter of chance.
    """
    heap = ctypes.CDLL("libc.so.6")
    sizes = []
    for number in range(40):
        plan = variant_plan(f"trial{number}", list(VARIANTS)[number % len(VARIANTS)])
        run_trial(plan, 1)
        shutil.rmtree(plan.folder)
        gc.collect()
        heap.malloc_trim(0)
        sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
    assert sizes[-1] - sizes[11] < 3, f"Megabytes after each trial: {sizes}"
