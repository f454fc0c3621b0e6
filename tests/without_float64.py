"""A device without float64 that runs anywhere: tensors on it hold a CPU tensor and pass all operations on.

It calls itself `meta`, a device that every build of torch has. It knows no value-free computing: what it computes is
what a CPU computes. A float64 tensor cannot be made there, and tensors of two devices do not mix, as on MPS."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
#: operations whose indices may be on the CPU
INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}
#: they leave the device
LEAVES = {torch.ops.aten._local_scalar_dense.default}


class There(Tensor):
    """A tensor on the device; `held` has its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        if held.dtype in (torch.float64, torch.complex128):
            raise TypeError("Cannot convert a tensor to float64: the device has none")
        made = Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE, requires_grad=held.requires_grad,
        )  # fmt: skip
        made.held = held
        return made

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"There({self.held!r})"

    def tolist(self) -> Any:
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        return computed(function, given, named or {})


def computed(function: Any, given: Any, named: Any) -> Any:
    """Compute an operation on CPU tensors; wrap what is on the device."""
    wanted = named.get("device")
    tensors = [one for one in tree_flatten((given, named))[0] if isinstance(one, Tensor)]
    there = [one for one in tensors if isinstance(one, There)]
    named = {**named, "device": torch.device("cpu")} if wanted is not None else named
    moves = function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    if there and len(there) < len(tensors) and not moves and function not in INDEXED:
        strangers = [one for one in tensors if not isinstance(one, There) and one.ndim]
        assert not strangers, f"{function}: tensors of two devices"
    held_given, held_named = tree_map(lambda one: one.held if isinstance(one, There) else one, (given, named))
    found = function(*held_given, **held_named)
    if function in LEAVES:
        return found
    stays = torch.device(wanted) == DEVICE if wanted is not None else bool(there)
    if function == torch.ops.aten.copy_.default:
        return given[0]
    held = {id(one.held): one for one in there}
    return tree_map(lambda one: held.get(id(one), There(one)) if stays and isinstance(one, Tensor) else one, found)


class _Factories(TorchDispatchMode):
    """Makes tensors on the device that are asked for there."""

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        return computed(function, given, named or {})


def _moved(make: Any, data: Any, *, device: Any = None, **named: Any) -> Tensor:
    """Make a CPU tensor, then move it: torch would give one without numbers to a device called `meta`."""
    if isinstance(data, There):
        return data
    made = make(data, **named)
    return made if device is None else made.to(device)


def _forget_tensors() -> None:
    """Forget what functions remember by device: tensors of torch's `meta` are no tensors of this one."""
    for name, module in list(sys.modules.items()):
        for function in vars(module).values() if name.startswith("nas_steps.") else ():
            if hasattr(function, "cache_clear") and "device" in inspect.signature(function).parameters:
                function.cache_clear()


@contextmanager
def without_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Yield the device, which exists in the block."""
    autocast = torch.autocast
    # torch remembers its functions that make tensors, and shall remember its own
    _device_constructors()

    def known(device: str, *given: Any, **named: Any) -> Any:
        # torch's autocast knows no device `meta`, not even to leave its tensors alone
        return autocast("cpu" if device == DEVICE.type else device, *given, **named)

    monkeypatch.setattr(torch, "autocast", known)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _device: False)
    generator = torch.Generator
    # numbers are drawn on the CPU
    monkeypatch.setattr(torch, "Generator", lambda device="cpu": generator("cpu" if device == DEVICE else device))
    for name in ("tensor", "as_tensor"):
        monkeypatch.setattr(torch, name, partial(_moved, getattr(torch, name)))
    _forget_tensors()
    # oneDNN's strided convolutions write out of bounds (nas_steps.models.convolutions), which is mended on CPUs alone
    try:
        with torch.backends.mkldnn.flags(enabled=False), _Factories():
            yield DEVICE
    finally:
        _forget_tensors()
