"""Choose a device and make its computations repeatable."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from nas_steps.errors import UserError
from nas_steps.provenance.locks import hold


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


@contextmanager
def claimed(device: str, threads: int) -> Iterator[torch.device]:
    """The device that `prepare` chooses; a CUDA GPU belongs to this process alone in the block. Waits for a free GPU.

    The claim is a lock a GPU, so it ends however the process ends.
    """
    chosen = prepare(device, threads)
    if chosen.type != "cuda":
        yield chosen
        return
    locks = Path(tempfile.gettempdir()) / f"nas-steps-gpus-{os.getuid()}"
    with claim(locks, [str(torch.cuda.get_device_properties(n).uuid) for n in range(torch.cuda.device_count())]) as n:
        torch.cuda.set_device(n)
        yield torch.device("cuda", n)


@contextmanager
def claim(folder: Path, names: Sequence[str], wait: float = 1.0) -> Iterator[int]:
    """The number of a name that no other process claims; looks again every `wait` seconds until there is one."""
    folder.mkdir(mode=0o700, exist_ok=True)
    waiting = False
    while True:
        for number, name in enumerate(names):
            held = hold(folder / f"{name}.lock")
            if held is not None:
                with held:
                    yield number
                return
        if not waiting:
            print(f"all {len(names)} GPUs are taken by other steps (locks in {folder}): waiting", flush=True)
            waiting = True
        time.sleep(wait)


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
