"""What is set once in each process that trains."""

import ctypes
import subprocess
import sys

import pytest
import torch

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
