"""Count the feature maps that a mobile block needs at once.

A layer needs its input and its output; a residual block keeps its own input until the sum. Runtimes fuse norms and
activations with the convolution before them, but for silu, which needs its input and its sigmoid at once.
"""

from nas_steps.spaces.mobile.architectures import Block
from nas_steps.spaces.mobile.efficientnet import multiple_of

#: maps of the output's size that an activation needs besides its output; others are fused, or work in place
BESIDES = {"silu": 1}


def peak_of_block(into: int, before: int, block: Block, after: int) -> int:
    """Return the elements for one image, from `into` channels of side `before` to the block's of side `after`."""
    given, made = into * before**2, block.width * after**2
    if block.operation is None:
        return given + made
    expanded = multiple_of(8, into * block.operation.expansion)
    # the input of the depthwise convolution, and its output
    wide, filtered = expanded * before**2, expanded * after**2
    kept = given if block.stride == 1 and into == block.width else 0
    maps = 1 + BESIDES.get(block.activation, 0)
    project = kept + filtered + made
    if expanded == into:
        return max(given + filtered, kept + maps * filtered, project)
    return max(given + wide, kept + maps * wide, kept + wide + filtered, kept + maps * filtered, project)


def peak_of_layer(into: int, before: int, out: int, after: int, activation: str) -> int:
    """Return the elements of a convolution and its activation, from `into` channels of side `before` to the output."""
    made = out * after**2
    return max(into * before**2 + made, made * (1 + BESIDES.get(activation, 0)))
