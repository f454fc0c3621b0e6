"""Blocks that share weights: those with a smaller kernel or expansion are parts of the largest.

Yu et al. 2020 (BigNAS, section 3): a smaller depthwise kernel is the centre of the largest, fewer expanded channels are
the first ones, batch norms and their statistics included. Cai et al. 2020 (once-for-all, section 3.3) transform the
centre besides; that is not done here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nas_steps.models.mobile.network import build_block
from nas_steps.spaces.mobile.architectures import Block, Operation, Stem


class EntangledBlock(nn.Module):
    """MBConv blocks that differ in kernel and expansion alone: (N, into, H, W) and an operation -> as the block.

    Raises ValueError for blocks that cannot share: without an operation, or with and without an expanding convolution.
    """

    def __init__(self, blocks: Sequence[Block], into: int, stem: Stem) -> None:
        super().__init__()
        self.blocks, self.into, self.stem = tuple(blocks), into, stem
        operations = {block.operation for block in blocks}
        alike = {Block(block.width, block.stride, None, block.activation) for block in blocks}
        squeezes = {operation.squeeze for operation in operations if operation is not None}
        if None in operations or len(alike) > 1 or len(squeezes) > 1:
            raise ValueError("blocks that share weights differ in kernel and expansion alone")
        known = [operation for operation in operations if operation is not None]
        kernel, expansion = max(one.kernel for one in known), max(one.expansion for one in known)
        (shape,) = alike
        (squeeze,) = squeezes
        self.largest = build_block(
            Block(shape.width, shape.stride, Operation(kernel, expansion, squeeze), shape.activation), into, stem
        )
        #: by operation; without weights of their own, so that they are none of this one's `modules()`
        with torch.device("meta"):
            self.small = {block.operation: build_block(block, into, stem) for block in blocks}
        keys = set(self.largest.state_dict())
        if any(set(small.state_dict()) != keys for small in self.small.values()):
            raise ValueError("a block that expands and one that does not share no weights")

    def part(self, operation: Operation) -> dict[str, Tensor]:
        """The state dict of the block with `operation`, views of this one's tensors."""
        whole = dict(self.largest.named_parameters()) | dict(self.largest.named_buffers())
        return {name: _cut(whole[name], one.shape) for name, one in self.small[operation].state_dict().items()}

    def alone(self, operation: Operation) -> nn.Module:
        """The block with `operation`, with a copy of the weights."""
        (block,) = (one for one in self.blocks if one.operation == operation)
        some = next(self.largest.parameters())
        made = build_block(block, self.into, self.stem).to(some.device, some.dtype)
        made.load_state_dict(self.part(operation))
        return made.train(self.training)

    def forward(self, x: Tensor, operation: Operation) -> Tensor:
        # running statistics are updated in place, where they are
        return functional_call(self.small[operation].train(self.training), self.part(operation), (x,))


def _cut(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """The first channels, and of a kernel the centre."""
    for dimension, size in enumerate(shape):
        start = (tensor.shape[dimension] - size) // 2 if dimension >= 2 else 0
        tensor = tensor.narrow(dimension, start, size)
    return tensor
