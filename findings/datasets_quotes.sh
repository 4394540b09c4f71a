#!/usr/bin/env bash
# datasets 5.2.0 puts quotation marks around every text of a split in which one answer is a number, if the split before had texts alone.
# Usage: findings/datasets_quotes.sh     Ends with 0 if it still holds, 1 if it changed, 2 if the packages can't be installed.
# PYTHON names the interpreter.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target packages \
  datasets==5.2.0 pyarrow==25.0.1 || exit 2
export PYTHONPATH="$folder/packages" HF_HUB_OFFLINE=1 HF_HOME="$folder/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1

"${PYTHON:-python3}" - <<'PYTHON'
import json
import sys
from pathlib import Path

import datasets

splits = {"train": ["red"], "validation": ["seven", 7]}
for split, answers in splits.items():
    records = [{"question": f"Number {n}?", "answer": answer} for n, answer in enumerate(answers)]
    Path(f"{split}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
read = datasets.load_dataset("json", data_files={split: f"{split}.jsonl" for split in splits})
seen = {split: list(read[split]["answer"]) for split in splits}

print(f"datasets {datasets.__version__}: load_dataset('json') of two files, of type {read['train'].features['answer'].dtype}")
print(f"written:  {splits}")
print("expected: {'train': ['red'], 'validation': ['seven', '7']}, or an error")
print(f"seen:     {seen}")
sys.exit(0 if seen == {"train": ["red"], "validation": ['"seven"', "7"]} else 1)
PYTHON
