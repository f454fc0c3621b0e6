"""A language model as named numbers, which say how alike two of them are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from nas_steps.spaces.language.architectures import Attention, LanguageArchitecture
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.declarations import SETTINGS, named, settings_of

#: tokens of the sequence whose multiply-accumulates are compared
CONTEXT = 256


def described(architecture: LanguageArchitecture) -> tuple[Mapping[str, float], ...]:
    """Return three groups: numbers, the size and the choices, 1 for each that is taken.

    A choice that differs counts 2 in the squared distance of the last group (Hamming). A layer that one of two lacks
    counts 1 for each part. The numbers are the depth, the width, and how many layers have each kind of part and each
    trait of attention. The size has the logarithms of parameters and multiply-accumulates.
    """
    frame = architecture.frame
    choices: dict[str, float] = {f"depth {architecture.depth}": 1, f"width {frame.width}": 1}
    choices |= {f"{key} {value}": 1 for key, value in zip(SETTINGS, settings_of(frame), strict=True)}
    numbers: dict[str, float] = defaultdict(float)
    numbers["depth"] = float(architecture.depth)
    numbers["width"] = 4 * math.log2(frame.width)
    for number, layer in enumerate(architecture.layers):
        choices[f"{number}: {named(layer.mixer)}"] = choices[f"{number}, then: {named(layer.feed_forward)}"] = 1
        for part in (layer.mixer, layer.feed_forward):
            if part is not None:
                numbers[named(part).partition("_")[0]] += 1
        if isinstance(layer.mixer, Attention):
            numbers["window"] += layer.mixer.window > 0
            numbers["fewer keys"] += math.log2(layer.mixer.heads / layer.mixer.kv_heads)
        if layer.feed_forward is not None:
            numbers["expansion"] += math.log2(1 + layer.feed_forward.expansion)
    # a shorter sequence if the table of positions is shorter
    parameters, macs = count_architecture(architecture, min(CONTEXT, frame.positions or CONTEXT))
    return numbers, {"parameters": math.log2(parameters), "macs": math.log2(max(1, macs))}, choices
