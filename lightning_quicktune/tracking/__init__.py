"""MLflow: sends trials and tasks, reads them back, keeps artifacts. No other room knows MLflow."""

import os

# Read by MLflow when it is imported or first connects; whatever the user has set stays.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # seven of them, ever slower, would hold up training for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # an open SQLite connection must not be shared by a fork
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}.items():
    os.environ.setdefault(_name, _value)
