"""A supernet of language models: the weights of each network of a space are slices of the largest ones.

Networks share weights as in once-for-all (Cai et al. 2020) and AutoFormer (Chen et al. 2021):

- A narrower network has the first channels of the residual stream, and the first hidden channels of its parts.
- Attention has the first heads, and of each the first channels; of rotary ones, the first of both halves.
- A shallower network has layers that are spread evenly over all, the first and the last among them.
- In each layer, mixers of one kind share weights. They may differ in heads, in heads of keys and values, in the window
  and in the expansion. Other mixers are of another kind. So are feed-forward networks of another activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nas_steps.models.language.network import LanguageModel, build_language
from nas_steps.spaces.language.architectures import (
    Attention,
    Frame,
    LanguageArchitecture,
    Layer,
    LinearAttention,
    MinGru,
    Mixer,
    ShortConvolution,
)
from nas_steps.spaces.language.costs import GATE_WIDTH
from nas_steps.spaces.language.space import LanguageSpace

#: architectures whose slices are cached
CACHED = 1024
#: sizes of a weight's dimensions, those that hold several things taken apart: (heads, channels, width)
Sizes = tuple[int, ...]


class Slice(NamedTuple):
    """Which part of a shared weight a network has: the first `sizes` of `whole`, in the `shape` of its parameter."""

    weight: str
    whole: Sizes
    sizes: Sizes
    shape: Sizes


class Named(NamedTuple):
    """A parameter of a network, the number of its layer (None outside of layers), and what shares its weight there."""

    name: str
    parameter: Tensor
    layer: int | None
    shared: str
    sizes: Sizes

    def weight(self, layer: int | None) -> str:
        """Name the shared weight of a layer."""
        return self.shared if layer is None else f"layers/{layer}/{self.shared}"


class LanguageSupernet(nn.Module):
    """Tokens (N, T) and an architecture -> logits (N, T, vocabulary); initialised from torch's random numbers.

    Raises ValueError for a space whose networks differ in more than depth, width and layers.
    """

    def __init__(self, space: LanguageSpace) -> None:
        super().__init__()
        self.space, self.depth = space, max(space.choices.depths)
        self.sizes = _largest_sizes(space)
        self.weights = nn.ParameterDict(_initial(space, self.sizes))
        self._planned = lru_cache(maxsize=CACHED)(self._plan)

    def forward(self, tokens: Tensor, architecture: LanguageArchitecture) -> Tensor:
        """Compute the logits. Raises UserError for an architecture of another space."""
        network, slices = self._planned(architecture)
        return functional_call(network, {name: self._cut(one) for name, one in slices.items()}, (tokens,))

    def standalone(self, architecture: LanguageArchitecture) -> LanguageModel:
        """Return a network of its own with the weights that `architecture` has here. Raises UserError."""
        _, slices = self._planned(architecture)
        network = build_language(architecture)
        network.load_state_dict({name: self._cut(one).detach() for name, one in slices.items()})
        return network

    def _cut(self, one: Slice) -> Tensor:
        whole = self.weights[one.weight].view(one.whole)
        return whole[tuple(map(slice, one.sizes))].reshape(one.shape)

    def _plan(self, architecture: LanguageArchitecture) -> tuple[LanguageModel, dict[str, Slice]]:
        """Return the network without weights, and where each of its parameters is."""
        self.space.check(architecture)
        slices = {}
        network = _built(architecture, "meta")
        for one in _named(network, architecture):
            layer = None if one.layer is None else spread(one.layer, architecture.depth, self.depth)
            shape = tuple(one.parameter.shape)
            slices[one.name] = Slice(one.weight(layer), self.sizes[one.shared], one.sizes, shape)
        return network, slices


def _built(architecture: LanguageArchitecture, device: str) -> LanguageModel:
    with torch.device(device):
        return build_language(architecture)


def _named(network: LanguageModel, architecture: LanguageArchitecture) -> Iterator[Named]:
    """Yield the parameters of a network."""
    for name, parameter in network.named_parameters():
        sizes = tuple(parameter.shape)
        if not name.startswith("layers."):
            yield Named(name, parameter, None, name.replace(".", "/"), sizes)
            continue
        _, number, part, *rest = name.split(".")
        layer = architecture.layers[int(number)]
        kind = []
        if part == "mixer" and layer.mixer is not None:
            kind = [_kind(layer.mixer)]
            sizes = _taken_apart(layer.mixer, architecture.frame).get(".".join(rest), sizes)
        elif part == "feed_forward" and layer.feed_forward is not None:
            kind = [layer.feed_forward.activation]
        yield Named(name, parameter, int(number), "/".join([part, *kind, *rest]), sizes)


def spread(number: int, depth: int, most: int) -> int:
    """Return which of `most` layers is layer `number` (from 0) of a network of `depth`."""
    return 0 if depth == 1 else (2 * number * (most - 1) + depth - 1) // (2 * (depth - 1))


def _kind(mixer: Mixer) -> str:
    """Name the mixers that share weights with this one."""
    if isinstance(mixer, Attention):
        return str(replace(mixer, heads=1, kv_heads=1, window=0))
    return {LinearAttention: "gla", MinGru: "gru"}.get(type(mixer), str(mixer))


def _taken_apart(mixer: Mixer, frame: Frame) -> Mapping[str, Sizes]:
    """Return the sizes of those weights of a mixer whose dimensions hold several things."""
    width = frame.width
    if isinstance(mixer, ShortConvolution):
        return {"inner.weight": (3, width, width)}
    if isinstance(mixer, LinearAttention):
        keys, values = (mixer.heads, width // 2 // mixer.heads), (mixer.heads, width // mixer.heads)
        found: dict[str, Sizes] = {f"{name}.weight": (*keys, width) for name in ("q", "k")}
        found |= {f"{name}.weight": (*values, width) for name in ("v", "gate")}
        return found | {"decay.1.bias": keys, "decay.1.weight": (*keys, GATE_WIDTH), "project.weight": (width, *values)}
    if isinstance(mixer, Attention):
        head = width // mixer.heads
        channels = (2, head // 2) if frame.base else (head,)
        heads = {"q": mixer.heads, "k": mixer.kv_heads, "v": mixer.kv_heads}
        found = {f"{name}.weight": (count, *channels, width) for name, count in heads.items()}
        found |= {f"{name}.bias": (count, *channels) for name, count in heads.items()}
        found |= {f"convolutions.{name}.weight": (count, *channels, 1, mixer.kernel) for name, count in heads.items()}
        found |= {f"{name}_norm.weight": channels for name in ("q", "k")}
        return found | {"project.weight": (width, mixer.heads, *channels)}
    return {}


def _largest_sizes(space: LanguageSpace) -> dict[str, Sizes]:
    """Return the sizes of what is shared: in each dimension the largest of all networks."""
    choices = space.choices
    found: dict[str, Sizes] = {}
    # of the weights of skips, the deepest network has most
    shapes = [(1, layer) for layer in _layers(space)] + [(max(choices.depths), choices.places[0])]
    for width, (depth, layer) in product(choices.widths, shapes):
        architecture = _uniform(space, width, layer, depth)
        for one in _named(_built(architecture, "meta"), architecture):
            found[one.shared] = tuple(map(max, one.sizes, found.get(one.shared, one.sizes)))
    return found


def _layers(space: LanguageSpace) -> list[Layer]:
    """Return layers that have all weights of the space's layers: each mixer and each feed-forward network once."""
    choices = space.choices
    mixers = sorted(choices.mixers, key=lambda one: one is None)
    parts = sorted(choices.feed_forwards, key=lambda one: one is None)
    return [Layer(mixer, parts[0]) for mixer in mixers] + [Layer(mixers[0], part) for part in parts[1:]]


def _uniform(space: LanguageSpace, width: int, layer: Layer, depth: int) -> LanguageArchitecture:
    return LanguageArchitecture(space.choices.frame(width, space.common_settings()), (layer,) * depth)


def _initial(space: LanguageSpace, largest: Mapping[str, Sizes]) -> dict[str, nn.Parameter]:
    """Draw each weight as the initialisation of the widest and deepest network draws it.

    A weight that is larger than its is put together of several draws.
    """
    found: dict[str, nn.Parameter] = {}
    for layer in _layers(space):
        architecture = _uniform(space, max(space.choices.widths), layer, max(space.choices.depths))
        named = list(_named(_built(architecture, "meta"), architecture))
        lacking = [one for one in named if one.weight(one.layer) not in found]
        corners = {one.name: _corners(largest[one.shared], one.sizes) for one in lacking}
        drawn = [
            dict(_built(architecture, "cpu").named_parameters())
            for _ in range(max(map(len, corners.values()), default=0))
        ]
        for one in lacking:
            whole = torch.empty(largest[one.shared])
            for corner, draw in zip(corners[one.name], drawn, strict=False):
                place = whole[tuple(slice(start, start + size) for start, size in zip(corner, one.sizes, strict=True))]
                place.copy_(draw[one.name].detach().view(one.sizes)[tuple(map(slice, place.shape))])
            # scales and biases have one dimension, so that weight decay leaves them out
            flat = whole.flatten() if one.parameter.ndim == 1 else whole
            found[one.weight(one.layer)] = nn.Parameter(flat.reshape(-1, flat.shape[-1]) if flat.ndim > 2 else flat)
    return found


def _corners(whole: Sizes, sizes: Sizes) -> list[Sizes]:
    """Return where the pieces of `sizes` begin that cover a weight."""
    return list(product(*(range(0, most, size) for most, size in zip(whole, sizes, strict=True))))
