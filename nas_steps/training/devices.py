"""Choose a device, make its computations repeatable, and measure its memory and energy."""

import ctypes
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import torch

from nas_steps.errors import UserError
from nas_steps.training.gpu_places import Gpu, asked_for, claim

#: parameters of glibc's `mallopt` (malloc.h), and the largest block (bytes) that is taken from the heap
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 2**30
#: bytes that a process takes on a CUDA device beside its tensors: the driver's context, the libraries' kernels
CONTEXT = 600_000_000


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
def claimed(device: str, threads: int, deterministic: bool = True, alone: bool = False) -> Iterator[torch.device]:
    """Yield the device of `prepare`. Wait for a place on a CUDA GPU, and hold it in the block.

    If not `alone`, as many trainings share a GPU as the environment says (`nas_steps.training.gpu_places`)."""
    chosen = prepare(device, threads, deterministic)
    if chosen.type != "cuda":
        yield chosen
        return
    locks = Path(tempfile.gettempdir()) / f"nas-steps-gpus-{os.getuid()}"
    properties = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    gpus = [Gpu(str(one.uuid), one.total_memory) for one in properties]
    sharing = 1 if alone else asked_for()
    with claim(locks, gpus, sharing, joules=lambda number: joules(torch.device("cuda", number))) as place:
        torch.cuda.set_device(place.number)
        yield torch.device("cuda", place.number)


def gpu_memory(device: torch.device) -> int:
    """Return the bytes of a CUDA device that this process has taken at most; 0 on other devices."""
    return torch.cuda.max_memory_reserved(device) + CONTEXT if device.type == "cuda" else 0


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
