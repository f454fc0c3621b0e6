"""Choose a device, make its computations repeatable, and measure its memory and energy."""

import ctypes
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import torch

from nas_steps.errors import UserError
from nas_steps.provenance.locks import hold

#: parameters of glibc's `mallopt` (malloc.h), and the largest block (bytes) that is taken from the heap
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 2**30


def prepare(device: str, threads: int, deterministic: bool = True) -> torch.device:
    """Return the config's device; `auto` is CUDA, else MPS, else the CPU. Raises UserError.

    Its results are the same in each run, unless it is CUDA and `deterministic` is false: then libraries try their
    kernels and take the fastest."""
    torch.set_num_threads(threads)
    # each new tensor would be filled first, a fifth of a training's time; nothing here reads what it has not written
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    keep_freed_memory()
    if device == "auto":
        device = next((name for name in ("cuda", "mps") if available(name)), "cpu")
    if not available(device):
        raise UserError(
            f"device: {device} is asked for, but torch {torch.__version__} finds none here; set device: auto or cpu"
        )
    exact = deterministic or device != "cuda"
    if exact:
        # cuBLAS reads this when it starts; without it its results can differ from run to run
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(exact, warn_only=True)
    torch.backends.cudnn.benchmark = not exact
    return torch.device(device)


def keep_freed_memory() -> None:
    """Let glibc keep what is freed. Large tensors would else be given back and their pages be zeroed at each step.

    An allocator that the environment has set up (`MALLOC_...`) is left as it is. Other systems have no `mallopt`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None and not any(name.startswith("MALLOC_") for name in os.environ):
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, LARGEST_BLOCK)


@contextmanager
def claimed(device: str, threads: int, deterministic: bool = True) -> Iterator[torch.device]:
    """Yield the device of `prepare`. Wait for a CUDA GPU that no other process has locked, and lock it in the block."""
    chosen = prepare(device, threads, deterministic)
    if chosen.type != "cuda":
        yield chosen
        return
    locks = Path(tempfile.gettempdir()) / f"nas-steps-gpus-{os.getuid()}"
    with claim(locks, [str(torch.cuda.get_device_properties(n).uuid) for n in range(torch.cuda.device_count())]) as n:
        torch.cuda.set_device(n)
        yield torch.device("cuda", n)


@contextmanager
def claim(folder: Path, names: Sequence[str], wait: float = 1.0) -> Iterator[int]:
    """Yield the number of a name that no other process has locked; try again every `wait` seconds."""
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
    return device == "cpu" or (torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available())


def describe(device: torch.device) -> str:
    """Return the name of the GPU or of the processor, for the ledger."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()})"


def peak_gpu_memory_mb(device: torch.device) -> float:
    """Return the largest GPU memory (MB) of torch in this process; 0 on other devices."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else 0.0


def joules(device: torch.device) -> float | None:
    """Return the energy that NVML (nvidia-ml-py) has counted on a CUDA device; None if it does not count."""
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
