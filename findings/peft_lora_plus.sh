#!/usr/bin/env bash
# peft 0.21.2's optimizer of LoRA+ drops the weight decay that it is given, and moves DoRA's magnitudes at the rate of the B matrices.
# Usage: findings/peft_lora_plus.sh     Ends with 0 if it still holds, 1 if it changed, 2 if the packages can't be installed.
# PYTHON names the interpreter.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target packages \
  torch==2.13.0 transformers==5.23.0 peft==0.21.2 || exit 2
export PYTHONPATH="$folder/packages" HF_HUB_OFFLINE=1 HF_HOME="$folder/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1

"${PYTHON:-python3}" -W ignore - <<'PYTHON'
import sys

import peft
import torch
from peft.optimizers import create_loraplus_optimizer

torch.manual_seed(0)
base = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 4))
model = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["0"], use_dora=True))
optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=0.01, loraplus_lr_ratio=16.0, weight_decay=0.3)
names = {id(parameter): name.split(".")[-3] for name, parameter in model.named_parameters()}
groups = {names[id(parameter)]: group for group in optimizer.param_groups for parameter in group["params"]}
seen = {name: (round(group["lr"], 6), group["weight_decay"]) for name, group in groups.items()}

print(f"peft {peft.__version__}: create_loraplus_optimizer(lr=0.01, loraplus_lr_ratio=16, weight_decay=0.3) of DoRA")
print("expected: (rate, decay) of (0.01, 0.3) for A and the magnitude, (0.16, 0.3) for B")
print(f"seen:     {seen}")
decays, rates = {decay for _, decay in seen.values()}, {name: rate for name, (rate, _) in seen.items()}
sys.exit(0 if decays == {0.0} and rates == {"lora_A": 0.01, "lora_B": 0.16, "lora_magnitude_vector": 0.16} else 1)
PYTHON
