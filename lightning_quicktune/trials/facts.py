"""Facts of device and software that a trial record carries."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import torch

from lightning_quicktune.types import DeviceInfo

_PACKAGES = ("lightning-quicktune", "torch", "lightning", "transformers", "tokenizers", "peft", "numpy")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Version of each package that can change a score or a cost."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def device_info(device: torch.device, reference_step_s: float, count: int = 1) -> DeviceInfo:
    """Describes where a trial runs.

    Args:
        device: The device, or the first of several.
        reference_step_s: Seconds of the reference step on it.
        count: How many train it together.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return DeviceInfo(name, count, torch.get_num_threads(), load, reference_step_s)
