"""Energy is told where NVML is there and counts it."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from nas_steps.training.devices import joules

CUDA = torch.device("cuda", 0)


def nvml(*, counts: bool = True) -> ModuleType:
    """A stand-in for pynvml, whose only GPU has used 1,500 millijoules."""

    class NVMLError(Exception):
        pass

    def total(handle: str) -> int:
        assert handle == "handle of GPU-7"
        if not counts:
            raise NVMLError
        return 1500

    module = ModuleType("pynvml")
    vars(module).update(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: f"handle of {uuid}",
        nvmlDeviceGetTotalEnergyConsumption=total,
    )
    return module


@pytest.mark.parametrize(
    ("installed", "expected"), [(nvml(), 1.5), (nvml(counts=False), None), (None, None)], ids=["yes", "old", "absent"]
)
def test_a_gpu_tells_its_energy_where_it_can(
    installed: ModuleType | None, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", installed)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: SimpleNamespace(uuid=7))
    assert joules(CUDA) == expected


def test_a_cpu_does_not_tell() -> None:
    assert joules(torch.device("cpu")) is None
