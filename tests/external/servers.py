"""PostgreSQL and `mlflow server`, started on loopback for a test and ended with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], process: subprocess.Popen | None = None, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, "The process ended too early."
        assert time.monotonic() < end
        time.sleep(0.1)


class Postgres:
    """A PostgreSQL with the superuser ``postgres`` and the user ``quick``, whose password is ``secret``."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder, self.port = binaries, folder, free_port()
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.as_user:
            shutil.chown(folder, "postgres", "postgres")

    def run(self, program: str, *arguments: str) -> None:
        command = [*self.as_user, str(self.binaries / program), *arguments]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL)

    def sql(self, text: str, database: str = "postgres") -> None:
        at = ["--host", str(self.folder), "--port", str(self.port), "--username", "postgres"]
        self.run("psql", *at, "--dbname", database, "--quiet", "--set", "ON_ERROR_STOP=1", "--command", text)

    def uri(self, database: str, user: str = "quick", password: str = "secret") -> str:
        return f"postgresql+psycopg2://{user}:{password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgres(binaries: Path) -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        server = Postgres(binaries, Path(name))
        data = str(server.folder / "data")
        methods = ["--auth-local", "trust", "--auth-host", "scram-sha-256"]
        server.run("initdb", "--pgdata", data, "--username", "postgres", *methods)
        options = f"-c listen_addresses=127.0.0.1 -p {server.port} -k {server.folder}"
        server.run("pg_ctl", "start", "--wait", "-D", data, "-o", options, "-l", str(server.folder / "log.txt"))
        try:
            server.sql("create user quick password 'secret'")
            yield server
        finally:
            server.run("pg_ctl", "stop", "-D", data, "-m", "immediate")


class MlflowServer:
    """`mlflow server` on a database, which can be killed and started again at the same address."""

    def __init__(self, folder: Path, store: str, driver: Path | None = None, options: tuple[str, ...] = ()) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        if driver is not None:
            self.environment["PYTHONPATH"] = str(driver)
        self.command = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1"]
        self.command += ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts"), *options]
        self.start()

    def start(self) -> None:
        with open(self.folder / "server.txt", "a") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, self.process)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/health", timeout=1).close()
        except OSError:
            return False
        return True
