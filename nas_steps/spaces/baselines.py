"""The names of the hand-designed networks, spelled like torchvision: `mobilenet_v2_x0.5` is half as wide."""

from __future__ import annotations

import re

from nas_steps.errors import known

#: what `nas_steps.models.baselines` can build
BASELINES = (
    "resnet20",
    "resnet32",
    "resnet56",
    "resnet18",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
)


def parse_baseline(name: str) -> tuple[str, float]:
    """Split `mobilenet_v2_x0.5` into ("mobilenet_v2", 0.5); the width factor is 1 where none is given.

    Raises ValueError for an unknown name or a width outside (0, 8].
    """
    match = re.fullmatch(r"(.+?)_x(\d+(?:\.\d+)?)", name)
    base, width = (match[1], float(match[2])) if match else (name, 1.0)
    if base not in BASELINES:
        known("baseline", name if match is None else base, BASELINES)
    if not 0 < width <= 8:
        raise ValueError(f"baseline {name!r}: the width factor must be above 0 and at most 8")
    return base, width
