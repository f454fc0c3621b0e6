"""The rivals of slices of a pretrained network: the whole network fine-tuned, a linear probe, a start from nothing.

Loads no torch.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from nas_steps.facts import PRETRAINED, PROBE
from nas_steps.provenance.files import read_json
from nas_steps.retraining.constrained import keeps
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.architectures import MobileArchitecture, parse_mobile
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.training.settings import TrainingSettings

_AT_SIDE = re.compile(rf"{PRETRAINED}_r(\d+)")


def pretrained_entry(name: str, settings: TrainingSettings, weights: str | Path, blocks: str | Path | None) -> str:
    """Return the architecture of `pretrained` or `pretrained_r96`, or of the probe at the largest side on the budget.

    It is empty if the network does not keep the constraints. The largest side is trained in any case, to show what a
    budget costs.
    `weights` is source.safetensors; `blocks` is blocks.csv, None without constraints.
    """
    space = declared(settings.space)
    assert isinstance(space, MobileSpace)
    sides = space.resolution
    if name == PROBE:
        made = [at_side(space, weights, side) for side in sorted(sides or (0,), reverse=True)]
        kept = [one for one in made if keeps(str(one), settings, blocks) != "broken"]
        return str((kept or made)[0])
    match = _AT_SIDE.fullmatch(name)
    assert name == PRETRAINED or match is not None
    side = 0 if match is None else int(match[1])
    architecture = str(at_side(space, weights, side))
    largest = not sides or side == max(sides)
    return architecture if largest or keeps(architecture, settings, blocks) != "broken" else ""


def at_side(space: MobileSpace, weights: str | Path, side: int) -> MobileArchitecture:
    """Return the whole pretrained network, padded as the space's networks, at `side` pixels (0: the images' own)."""
    whole = parse_mobile(read_json(Path(weights).with_name("source.json"))["networks"]["space"])
    stem = replace(whole.stem, side=side if space.resolution else 0, same=space.stem.same)
    return replace(whole, stem=stem, head=space.head)
