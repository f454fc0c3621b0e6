"""A mobile network drawn as SVG: a plate for each layer, its height by the expansion."""

from math import prod
from xml.sax.saxutils import escape

from nas_steps.errors import exact
from nas_steps.report.svg import opened
from nas_steps.spaces.mobile.architectures import Block, MobileArchitecture

PLATE_WIDTH, GAP, STAGE_GAP = 46.0, 4.0, 14.0
#: the height of a plate without expansion, its growth by a factor of 1, and its limit
LOWEST, GROWTH, HIGHEST = 34.0, 8.0, 110.0
MARGIN = 6.0
#: kernel -> style
STYLES = {1: "free", 3: "nor", 5: "sep", 7: "dil"}


def draw_mobile(architecture: MobileArchitecture, label: str) -> str:
    """Draw the network as an `<svg>` element. Screen readers say `label` and the layers in words.

    Colours come from the page's style sheet (classes `plate`, `nor`, `sep`, `dil`, `free`).
    """
    stem, head = architecture.stem, architecture.head
    highest = max(_plate(block)[1] for stage in architecture.stages for block in stage)
    middle = MARGIN + highest / 2
    bottom = middle + highest / 2 + 16
    x = MARGIN
    shapes: list[str] = []

    def column(plates: list[tuple[str, float, list[str]]], below: str) -> None:
        nonlocal x
        start = x
        for style, height, lines in plates:
            shapes.append(
                f'<rect class="plate {style}" x="{x:g}" y="{middle - height / 2:g}" width="{PLATE_WIDTH:g}" '
                f'height="{height:g}" rx="5"/>'
            )
            for place, line in enumerate(lines):
                y = middle + 4 + (place - (len(lines) - 1) / 2) * 13
                shapes.append(f'<text x="{x + PLATE_WIDTH / 2:g}" y="{y:g}" text-anchor="middle">{escape(line)}</text>')
            x += PLATE_WIDTH + GAP
        centre = (start + x - GAP) / 2
        shapes.append(f'<text class="hint" x="{centre:g}" y="{bottom:g}" text-anchor="middle">{escape(below)}</text>')
        x += STAGE_GAP - GAP

    if stem.side:
        column([("terminal", LOWEST, ["resize"])], f"{stem.side} px")
    column([("terminal", LOWEST, ["stem", f"{stem.kernel}×{stem.kernel}"])], _shape(stem.width, stem.stride))
    for stage in architecture.stages:
        stride = prod(block.stride for block in stage)
        column([_plate(block) for block in stage], _shape(stage[-1].width, stride))
    column([("terminal", LOWEST, ["head"])], str(head.width))
    width = x - STAGE_GAP + MARGIN
    return opened(width, bottom + MARGIN, f"{label}: {describe(architecture)}") + "".join(shapes) + "</svg>"


def describe(architecture: MobileArchitecture) -> str:
    """Spell the network in words, for screen readers."""
    side = architecture.stem.side
    resized = f"images resized to {side} x {side} pixels; " if side else ""
    return resized + "; ".join(
        f"stage {number}, {_shape(stage[-1].width, max(block.stride for block in stage))} channels: "
        + ", ".join(_words(block) for block in stage)
        for number, stage in enumerate(architecture.stages, start=1)
    )


def _plate(block: Block) -> tuple[str, float, list[str]]:
    operation = block.operation
    if operation is None:
        return "free", LOWEST, ["id"]
    lines = [f"{operation.kernel}×{operation.kernel}", f"e{exact(operation.expansion)}"]
    if operation.squeeze:
        lines.append("SE")
    height = min(HIGHEST, LOWEST + GROWTH * operation.expansion)
    return STYLES.get(operation.kernel, "dil"), max(height, 16.0 * len(lines)), lines


def _words(block: Block) -> str:
    if block.operation is None:
        return "left out"
    squeezed = " squeezed" if block.operation.squeeze else ""
    return f"kernel {block.operation.kernel} expansion {exact(block.operation.expansion)}{squeezed}"


def _shape(width: int, stride: int) -> str:
    return f"{width}, stride {stride}" if stride > 1 else str(width)
