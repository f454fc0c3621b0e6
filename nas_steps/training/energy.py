"""The energy that a GPU has used, where its driver tells: NVML, by the optional package nvidia-ml-py."""

from __future__ import annotations

from importlib import import_module

import torch


def joules(device: torch.device) -> float | None:
    """Joules that a CUDA device has used since its driver was loaded, whoever used it; None where that is not told."""
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
