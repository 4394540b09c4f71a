"""Where trials run, as YAML says it; light to import, so that the command line answers quickly."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

ExecutorKind = Literal["in_process", "processes", "subprocess", "ray"]
_OF_RAY = ("cpus", "gpus", "address", "start_s")


@dataclass(frozen=True)
class ExecutorSettings:
    """Where trials run.

    Args:
        kind: ``in_process``: in the process of the command, one worker; ``processes``: in processes of this machine
            that stay; ``subprocess``: in a process for each trial, which may have several ``devices``; ``ray``: in
            actors of a Ray cluster. If left out, in the process of the command with one worker, and in processes with
            several.
        threads: Threads of PyTorch of each worker that is a process; if left out, one for each of several workers,
            and on Ray as many as ``cpus``.
        devices: Devices that train each trial together (``subprocess`` alone); each takes its share of a step.
        cpus: CPUs that Ray reserves for each worker; as many as ``threads`` if left out.
        gpus: GPUs that Ray reserves for each worker, also a part of one, such as 0.25.
        address: Ray cluster: ``auto`` for the one that this machine belongs to, ``local`` to start one on this machine
            alone, or its address.
        start_s: Seconds that reaching the cluster, and starting a worker there, may take.
    """

    kind: ExecutorKind | None = None
    threads: int | None = None
    devices: int = 1
    cpus: float | None = None
    gpus: float = 0.0
    address: str = "auto"
    start_s: float = 120.0

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ValueError(
                f"`executor.threads` is {self.threads}, but it counts threads, at least 1. Raise it, or leave it out."
            )
        if self.devices < 1 or (self.devices > 1 and self.kind != "subprocess"):
            raise ValueError(
                f"`executor.devices` is {self.devices}, but it counts devices, at least 1, and more than one only with "
                f"`executor.kind: subprocess`, which is {self.kind or 'left out'} now. Set both."
            )
        for name in ("cpus", "gpus"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"`executor.{name}` is {value}, but it is a share of a machine. Set it to 0 or more.")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(
                f"`executor.gpus` is {self.gpus}, but Ray gives a worker a part of one GPU, or whole ones. Set it to "
                f"{int(self.gpus)} or {int(self.gpus) + 1}, or to less than 1."
            )
        if not self.start_s > 0:
            raise ValueError(f"`executor.start_s` is {self.start_s}, but nothing starts in no time. Raise it.")
        default = ExecutorSettings.__dataclass_fields__
        of_ray = [name for name in _OF_RAY if getattr(self, name) != default[name].default]
        if of_ray and self.kind != "ray":
            raise ValueError(
                f"`executor.{of_ray[0]}` is set, which says something to Ray alone, but `executor.kind` is "
                f"{self.kind or 'left out'}. Set `executor.kind: ray`, or leave `executor.{of_ray[0]}` out."
            )

    def check_installed(self) -> None:
        """Sees that what it needs is installed, before anything takes time.

        Raises:
            ModuleNotFoundError: If it is not.
        """
        if self.kind == "ray" and find_spec("ray") is None:
            raise ModuleNotFoundError(
                "`executor.kind` is ray, but Ray is not installed here. Install it by `pip install "
                "'lightning-quicktune[ray]'` on every machine of the cluster, or set `executor.kind: processes`.",
                name="ray",
            )

    def kind_for(self, workers: int, cohort: int | str = 1) -> ExecutorKind:
        """The kind of executor of so many workers.

        Args:
            workers: Trials, or cohorts, that run side by side.
            cohort: Trials that each of them trains at once, or ``auto``.

        Raises:
            ValueError: If it can't have so many, or has no threads of its own to set.
        """
        if self.devices > 1 and cohort != 1:
            raise ValueError(
                f"`executor.devices` is {self.devices} and `cohort` {cohort}, but a cohort is trained on one device. "
                "Set `cohort: 1` or `executor.devices: 1`."
            )
        if self.kind == "in_process" and workers > 1:
            raise ValueError(
                f"`workers` is {workers}, but `executor.kind: in_process` has one. Set `executor.kind: processes`, or "
                "`workers: 1`."
            )
        kind = self.kind or ("in_process" if workers == 1 else "processes")
        if self.threads is not None and kind == "in_process":
            raise ValueError(
                f"`executor.threads` is {self.threads}, but one worker in the process of the command, as with "
                "`executor.kind: in_process`, has the threads of the command itself. Set the environment variable "
                "OMP_NUM_THREADS, or `executor.kind: processes`."
            )
        return kind

    def threads_for(self, workers: int) -> int | None:
        """Threads of each of so many workers; none for as many as PyTorch takes by itself."""
        if self.kind == "ray":
            return self.threads or max(int(self.cpus or 1), 1)
        return self.threads or (1 if workers > 1 else None)

    def sharing(self, workers: int, n_gpus: int) -> int:
        """How many of so many workers share the memory of one device.

        Args:
            workers: Trials, or cohorts, that run side by side.
            n_gpus: GPUs of this machine; with several, workers have them in turn.
        """
        if self.kind == "ray":
            return min(workers, max(int(1 / self.gpus), 1)) if self.gpus > 0 else workers
        return -(-workers // max(n_gpus, 1))


def check_workers(workers: int) -> None:
    """Refuses a number of workers that is none.

    Raises:
        ValueError: If it is below 1.
    """
    if workers < 1:
        raise ValueError(f"`workers` is {workers}, but it counts things, at least 1. Raise it.")
