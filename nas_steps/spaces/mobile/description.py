"""A mobile architecture as named numbers, which say how alike two of them are."""

import math
from collections import defaultdict
from collections.abc import Mapping

from nas_steps.spaces.mobile.architectures import MobileArchitecture, operation_name


def described(architecture: MobileArchitecture) -> tuple[Mapping[str, float], ...]:
    """Return three groups: numbers, the size and the choices, 1 for each that is taken.

    A choice that differs counts 2 in the squared distance of the last group (Hamming), a layer that one of two lacks 1.
    The numbers are each stage's depth, width, stride and sums over layers, and each layer's kernel, expansion and
    squeeze-excitation, widths and strides as logarithms; a layer that is left out or beyond the depth has zeros.
    """
    choices: dict[str, float] = {}
    numbers: dict[str, float] = defaultdict(float)
    if architecture.stem.side:
        choices[f"side {architecture.stem.side}"] = 1
        numbers["side"] = 4 * math.log2(architecture.stem.side)
    for number, stage in enumerate(architecture.stages):
        first = stage[0]
        choices[f"{number}: width {first.width}"] = choices[f"{number}: stride {first.stride}"] = 1
        numbers[f"{number}: width"] = 2 * math.log2(first.width)
        numbers[f"{number}: stride"] = 2 * math.log2(first.stride)
        for layer, block in enumerate(stage):
            choices[f"{number}.{layer}: {operation_name(block.operation)} {block.activation}"] = 1
            if block.operation is None:
                continue
            numbers[f"{number}: depth"] += 1
            for name, value in (
                ("kernel", block.operation.kernel / 2),
                ("expansion", math.log2(1 + block.operation.expansion)),
                ("squeeze", float(bool(block.operation.squeeze))),
            ):
                numbers[f"{number}.{layer}: {name}"] = value
                numbers[f"{number}: {name}"] += value
    return numbers, _size(architecture), choices


def _size(architecture: MobileArchitecture) -> dict[str, float]:
    """Return the logarithms of the blocks' weights and multiply-accumulates, without squeeze-excitation and norms."""
    weights = macs = 0.0
    side = float(architecture.stem.side or 1) / architecture.stem.stride
    for _, _, width, block in architecture.blocks():
        behind = side / block.stride
        if block.operation is None:
            expanding = depthwise = 0.0
            projecting = 0.0 if block.is_identity(width) else float(width * block.width)
        else:
            hidden = width * block.operation.expansion
            expanding = width * hidden if block.operation.expansion != 1 else 0.0
            depthwise, projecting = hidden * block.operation.kernel**2, hidden * block.width
        weights += expanding + depthwise + projecting
        macs += expanding * side**2 + (depthwise + projecting) * behind**2
        side = behind
    return {"weights": math.log2(max(weights, 1.0)), "macs": math.log2(max(macs, 1e-9))}
