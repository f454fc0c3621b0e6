"""The energy that a GPU has used, read from its driver by the optional package nvidia-ml-py (NVML)."""

from __future__ import annotations

from importlib import import_module

import torch


def joules(device: torch.device) -> float | None:
    """Joules that a CUDA device has used since its driver was loaded; None if the driver does not count them."""
    if device.type != "cuda":
        return None
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    except nvml.NVMLError:  # GPUs before Volta do not count it
        return None
