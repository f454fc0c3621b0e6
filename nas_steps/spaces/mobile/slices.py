"""Which networks are slices of another one: fewer layers, smaller kernels, fewer channels, or a lower resolution.

A slice keeps the first layers of each stage, the centre of each kernel and some of the channels (Cai et al. 2020,
section 3.3). So it can start from the weights of the whole.
"""

from nas_steps.errors import exact
from nas_steps.spaces.mobile.architectures import Block, MobileArchitecture, operation_name
from nas_steps.spaces.mobile.space import MobileSpace


def misfit(space: MobileSpace, whole: MobileArchitecture) -> str | None:
    """Return why some architecture of `space` is no slice of `whole`, in words; None if all are."""
    for key in ("width", "kernel", "stride", "activation", "epsilon"):
        own, its = getattr(space.stem, key), getattr(whole.stem, key)
        if own != its:
            return f"stem.{key} is {own}, not {its}"
    for key in ("width", "hidden"):
        own, its = getattr(space.head, key), getattr(whole.head, key)
        if own != its:
            return f"head.{key} is {own}, not {its}"
    if len(space.stages) != len(whole.stages):
        return f"it has {len(space.stages)} stages, not {len(whole.stages)}"
    for number, (stage, blocks) in enumerate(zip(space.stages, whole.stages, strict=True)):
        where = f"stages[{number}]"
        if max(stage.depth) > len(blocks):
            return f"{where}.depth is {max(stage.depth)}, more than {len(blocks)}"
        if max(stage.width) > blocks[0].width:
            return f"{where}.width is {max(stage.width)}, more than {blocks[0].width}"
        if set(stage.stride) != {blocks[0].stride}:
            return f"{where}.stride is {' or '.join(map(str, stage.stride))}, not {blocks[0].stride}"
        if set(stage.activation) != {blocks[0].activation}:
            return f"{where}.activation is {' or '.join(stage.activation)}, not {blocks[0].activation}"
        for layer in range(stage.layers(max(stage.depth))):
            for place in stage.places(layer):
                if place is None and layer == 0:
                    return f"{where}, layer 1 may be left out, which changes the shape"
                if place is not None and (reason := _larger(place, blocks[layer])):
                    return f"{where}, layer {layer + 1}: {operation_name(place)} {reason}"
    return None


def _larger(operation: tuple[int, float, str], block: Block) -> str:
    """Return what an operation has more of than a block, in words; empty if it is a slice of it."""
    whole = block.operation
    assert whole is not None
    kernel, expansion, squeeze = operation
    if kernel > whole.kernel:
        return f"has a kernel above {whole.kernel}"
    if expansion > whole.expansion or (expansion == 1) != (whole.expansion == 1):
        return f"is no slice of expansion {exact(whole.expansion)}"
    if squeeze != whole.squeeze:
        return f"has not the squeeze-excitation {whole.squeeze or 'none'}"
    return ""
