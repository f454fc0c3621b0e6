"""What is set once in each process that trains."""

import ctypes
import os
import subprocess
import sys

import pytest
import torch

from nas_steps.training import devices
from nas_steps.training.devices import keep_freed_memory, prepare

FREED = """
import ctypes, resource, sys
from nas_steps.training.devices import prepare
if sys.argv[1] == "kept":
    prepare("cpu", 1)
import torch
def faults():
    for _ in range(10):
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
print(faults() - before)
"""


def test_computing_is_deterministic_and_new_tensors_are_not_filled() -> None:
    prepare("cpu", 1)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory


def test_a_gpu_may_take_its_fastest_kernels_and_other_devices_compute_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def exact() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), not torch.backends.cudnn.benchmark

    monkeypatch.setattr(devices, "available", lambda _: True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    threads, before = (
        torch.get_num_threads(),
        (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark),
    )
    try:
        prepare("cuda", 1, deterministic=False)
        assert exact() == (False, False)
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
        for device, wanted in (("cuda", True), ("cpu", True), ("cpu", False), ("mps", False)):
            prepare(device, 1, wanted)
            assert exact() == (True, True)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(before[0], warn_only=True)
        torch.backends.cudnn.benchmark = before[1]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another allocator than glibc's")
def test_freed_memory_is_used_again() -> None:
    """A page that is given back to the system is zeroed when it is asked for again: a page fault."""
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FREED, how], check=True, capture_output=True).stdout)
        for how in ("kept", "given back")
    }
    assert faults["kept"] * 10 < faults["given back"]


def test_an_allocator_that_was_set_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "0")

    class Refusing:
        def mallopt(self, *_given: int) -> int:
            raise AssertionError("changed")

    monkeypatch.setattr("nas_steps.training.devices.ctypes.CDLL", lambda _name: Refusing())
    keep_freed_memory()
