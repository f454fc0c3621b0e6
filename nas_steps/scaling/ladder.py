"""Repeat the block of a language model at several sizes for each compute: the rungs of a ladder. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from nas_steps.config.scaling import Rungs
from nas_steps.errors import UserError
from nas_steps.spaces.language.architectures import (
    Attention,
    Frame,
    LanguageArchitecture,
    Layer,
    LinearAttention,
    Mixer,
)
from nas_steps.spaces.language.baselines import baseline
from nas_steps.spaces.language.costs import count_architecture, middle_flops
from nas_steps.spaces.language.parsing import misfit

#: the columns of a training's row
TRAINED = (
    "network", "kind", "compute", "size", "seed", "architecture", "depth", "width", "parameters", "flops_per_token",
    "tokens", "loss", "status", "reason", "seconds",
)  # fmt: skip
#: widths are multiples of this
MULTIPLE = 8
#: of two shapes, the one whose cost is off by this factor is as good as the one whose aspect is off by the other
OFF_COST, OFF_ASPECT = math.log(1.2), math.log(2)
#: no deeper network is tried if its width per layer is this share of the usual one
DEEP = 0.25
#: heads of the hand-designed networks before they are resized
HEADS = 4

#: repetitions of the block, width -> the network
Make = Callable[[int, int], LanguageArchitecture]


@dataclass(frozen=True)
class Sized:
    """A network of one size: parameters, FLOPs of a forward pass per token."""

    architecture: LanguageArchitecture
    parameters: int
    flops_per_token: float

    def tokens(self, compute: float) -> float:
        """Return the tokens that `compute` FLOPs train it on: a backward pass counts as two forward passes."""
        return compute / (3 * self.flops_per_token)


def block_of(architecture: LanguageArchitecture) -> tuple[Layer, ...]:
    """Return the shortest run of layers that, repeated, makes up the network."""
    layers = architecture.layers
    lengths = (length for length in range(1, len(layers)) if len(layers) % length == 0)
    return next((layers[:length] for length in lengths if layers == layers[:length] * (len(layers) // length)), layers)


def repeated(architecture: LanguageArchitecture) -> Make:
    """Return a function that repeats the block of a network at another width; all else stays.

    Heads keep their width as nearly as they divide the new one, and groups of heads that share keys their size. The
    function raises UserError if no number of heads fits.
    """
    block, old = block_of(architecture), architecture.frame

    def make(repetitions: int, width: int) -> LanguageArchitecture:
        frame = replace(old, width=width)
        mixers = {layer.mixer: _with_heads(layer.mixer, frame, width / old.width) for layer in block}
        layers = tuple(replace(layer, mixer=mixers[layer.mixer]) for layer in block)
        return LanguageArchitecture(frame, layers * repetitions)

    return make


def _with_heads(mixer: Mixer | None, frame: Frame, times: float) -> Mixer | None:
    if not isinstance(mixer, (Attention, LinearAttention)):
        return mixer
    group = mixer.heads // mixer.kv_heads if isinstance(mixer, Attention) else 1
    width, wanted = frame.width, mixer.heads * times
    divisors = {one for low in range(1, math.isqrt(width) + 1) if width % low == 0 for one in (low, width // low)}
    for heads in sorted(divisors, key=lambda number: abs(math.log(number / wanted))):
        if heads % group:
            continue
        one: Mixer = LinearAttention(heads)
        if isinstance(mixer, Attention):
            one = replace(mixer, heads=heads, kv_heads=heads // group)
        if not misfit(one, frame):
            return one
    raise UserError(f"scaling.rungs: {mixer} has no number of heads that fits a width of {width}")


def hand_designed(name: str, vocabulary: int, context: int, head_width: int) -> Make:
    """Return the function of `repeated` for one of the baselines, for sequences of `context` tokens.

    Its heads are about `head_width` wide.
    """
    width, sizes = HEADS * head_width, {"vocabulary": vocabulary, "positions": context}
    return repeated(baseline(name, depth=1, width=width, heads=HEADS, **sizes))


def nearest(make: Make, flops_per_token: float, context: int, aspect: float) -> Sized:
    """Return the network whose forward pass costs about `flops_per_token`, with a width of about `aspect` per layer.

    Each number of layers is tried with its best width. Widths are coarse, so that neither is met exactly.
    """
    tried: list[tuple[float, Sized]] = []
    for repetitions in count(1):
        one = _nearest_width(make, repetitions, flops_per_token, context)
        off, width = math.log(one.flops_per_token / flops_per_token), one.architecture.frame.width
        per_layer = width / one.architecture.depth / aspect
        tried.append(((off / OFF_COST) ** 2 + (math.log(per_layer) / OFF_ASPECT) ** 2, one))
        if width == MULTIPLE or per_layer < DEEP:
            break
    return min(tried, key=lambda one: one[0])[1]


def _nearest_width(make: Make, repetitions: int, flops_per_token: float, context: int) -> Sized:
    """Return the network of the multiple of `MULTIPLE` whose cost is nearest, by bisection."""

    def at(number: int) -> Sized:
        return _counted(make(repetitions, number * MULTIPLE), context)

    high = 1
    while (above := at(high)).flops_per_token < flops_per_token:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if (one := at(middle)).flops_per_token < flops_per_token:
            low = middle
        else:
            high, above = middle, one
    both = [at(low), above] if low else [above]
    return min(both, key=lambda one: abs(math.log(one.flops_per_token / flops_per_token)))


def _counted(architecture: LanguageArchitecture, context: int) -> Sized:
    parameters, macs = count_architecture(architecture, context)
    return Sized(architecture, parameters, 2 * macs / context)


def sizes(rungs: Rungs, compute: float, make: Make, context: int) -> list[Sized]:
    """Return the networks that are trained with `compute` FLOPs, from the smallest to the largest.

    They are fewer than `rungs.sizes` if the nearest network is the same for several of them.
    """
    middle = middle_flops(compute, rungs.tokens_per_parameter)
    steps = [2 * number / (rungs.sizes - 1) - 1 for number in range(rungs.sizes)]
    found = [nearest(make, middle * rungs.spread**step, context, rungs.aspect) for step in steps]
    return sorted(set(found), key=lambda one: one.flops_per_token)
