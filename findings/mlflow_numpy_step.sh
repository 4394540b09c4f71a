#!/usr/bin/env bash
# MLflow 3.17.2 on SQLite stores a step that is a NumPy integer as bytes, and the metric takes no point after it.
# Usage: findings/mlflow_numpy_step.sh     Ends with 0 if it still holds, 1 if it changed, 2 if the packages can't be installed.
# PYTHON names the interpreter.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target packages \
  mlflow==3.17.2 numpy==2.4.6 || exit 2
export PYTHONPATH="$folder/packages" HF_HUB_OFFLINE=1 HF_HOME="$folder/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1
export MLFLOW_DISABLE_TELEMETRY=true

"${PYTHON:-python3}" -W ignore - <<'PYTHON'
import logging
import sqlite3
import sys

logging.disable(logging.INFO)
import mlflow
import numpy as np
from mlflow.tracking import MlflowClient

client = MlflowClient("sqlite:///mlflow.db")
run = client.create_run(client.create_experiment("steps", "artifacts")).info.run_id
client.log_metric(run, "score", 0.5, step=np.int64(1))
(stored,) = sqlite3.connect("mlflow.db").execute("select step, typeof(step) from metrics").fetchall()
try:
    client.log_metric(run, "score", 0.6, step=2)
    second = "taken"
except Exception as error:
    second = f"{type(error).__name__}: {error}"

print(f"mlflow {mlflow.__version__}, SQLite: a point at step np.int64(1), then one of the same metric at step 2")
print("expected: step 1, an integer; the second point taken, or the first one refused")
print(f"seen:     step {stored[0]!r}, a {stored[1]}; the second point: {second}")
sys.exit(0 if stored[1] == "blob" and second != "taken" else 1)
PYTHON
