"""A server that goes away while records are read from it."""

from threading import Event

import pytest
from mlflow.entities import Run, RunData, RunInfo
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking import records


def test_the_first_record_that_cant_be_had_ends_reading_without_asking_for_all_others(monkeypatch, tmp_path):
    asked, given_up = [], Event()

    def download(*arguments):
        asked.append(arguments)
        if arguments[2].info.run_id != "000":  # the others learn of it when reading is given up
            given_up.wait(60)
        raise MlflowException("nobody answers")

    class Pool(records.ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            given_up.set()
            super().shutdown(wait)

    infos = (RunInfo(f"{n:03}", "1", "user", "FINISHED", 0, 1, "active") for n in range(200))
    runs = [Run(info, RunData()) for info in infos]
    monkeypatch.setattr(records, "_runs", lambda *arguments: iter(runs))
    monkeypatch.setattr(records, "_downloaded", download)
    monkeypatch.setattr(records, "ThreadPoolExecutor", Pool)
    client = MlflowClient(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(MlflowException, match="nobody answers"):
        records._remote_records(client, "http://127.0.0.1:9", "1", "trial")
    assert len(asked) < 50
