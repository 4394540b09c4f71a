"""The process in which DEHB runs: it needs another NumPy than this package."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

VARIABLE = "DEHB_PYTHON"
_PYTHON = Path(__file__).parents[2] / ".venv-dehb" / "bin" / "python"
_WORKER = Path(__file__).with_name("dehb_worker.py")


class DehbProcess:
    """Talks to DEHB by one line of JSON each way; the process ends with this object.

    Args:
        settings: What the process is told first.

    Raises:
        FileNotFoundError: If there is no environment with DEHB.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        python = Path(os.environ.get(VARIABLE, _PYTHON))
        if not python.is_file():
            raise FileNotFoundError(
                f"`searcher: dehb` needs an environment of its own, because DEHB needs NumPy below 2, but there is no "
                f"{python}. Run `tools/install_dehb` once, or set the environment variable {VARIABLE} to the Python of "
                "an environment with dehb 0.1.2, or choose another `searcher`."
            )
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self._process = subprocess.Popen(
            [str(python), "-I", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        weakref.finalize(self, _end, self._process, self._errors)
        self._send(settings)

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Sends a message and returns the answer.

        Args:
            message: Plain values for JSON.

        Raises:
            RuntimeError: If the process ended.
        """
        self._send(message)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def _ended(self) -> RuntimeError:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return RuntimeError(
            f"The process of `searcher: dehb` ended with exit code {code} before it answered; its last words were "
            f"{said[-1] if said else 'nothing'!r}. If its environment is damaged, remove `.venv-dehb` and run "
            "`tools/install_dehb` to make it anew."
        )


def _end(process: subprocess.Popen[str], errors: IO[bytes]) -> None:
    process.terminate()
    process.wait()
    for stream in (process.stdin, process.stdout, errors):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
