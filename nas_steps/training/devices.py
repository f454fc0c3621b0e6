"""Choosing a device, and making what runs there repeatable."""

from __future__ import annotations

import os
import platform

import torch

from nas_steps.errors import UserError


def prepare(device: str, threads: int) -> torch.device:
    """The torch device named by the config, with deterministic algorithms and `threads` CPU threads.

    `auto` takes CUDA, else MPS, else the CPU. Raises UserError for a device that torch does not have.
    """
    # cuBLAS reads this when it starts; without it its results can differ from run to run
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    if device == "auto":
        device = next((name for name in ("cuda", "mps") if available(name)), "cpu")
    if not available(device):
        raise UserError(
            f"device: {device} is asked for, but torch {torch.__version__} finds none here; set device: auto or cpu"
        )
    return torch.device(device)


def available(device: str) -> bool:
    """Whether torch has this device."""
    return device == "cpu" or (torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available())


def describe(device: torch.device) -> str:
    """A name for the ledger: that of the GPU, or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()})"


def peak_gpu_memory_mb(device: torch.device) -> float:
    """Largest GPU memory that torch has held in this process; 0 on other devices."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else 0.0
