#!/usr/bin/env bash
# datasets 5.2.0 turns answers that all look like dates into timestamps: their text is gone.
# Usage: findings/datasets_dates.sh     Ends with 0 if it still holds, 1 if it changed, 2 if the packages can't be installed.
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

answers = ["2024-05-02", "2024-05-03T10:00:00Z"]
records = [{"question": f"When was number {n}?", "answer": answer} for n, answer in enumerate(answers)]
Path("train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
read = datasets.load_dataset("json", data_files="train.jsonl", split="train")

print(f"datasets {datasets.__version__}: load_dataset('json') of two records whose answers are JSON strings")
print(f"written:  {answers}")
print(f"expected: {answers}, of type string")
print(f"seen:     {[str(answer) for answer in read['answer']]}, of type {read.features['answer'].dtype}")
sys.exit(0 if read.features["answer"].dtype == "timestamp[s]" and [str(a) for a in read["answer"]] != answers else 1)
PYTHON
