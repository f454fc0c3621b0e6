"""Blocks that share weights as in BigNAS (Yu et al. 2020, section 3).

A smaller depthwise kernel is the centre of the largest, and fewer expanded channels are the first ones, with their
batch norms and statistics. On demand the centre is multiplied by a learnt matrix, at first the identity, which all
channels of a block share (once-for-all: Cai et al. 2020, section 3.3).
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nas_steps.models.mobile.network import build_block
from nas_steps.spaces.mobile.architectures import Block, Operation, Stem


class EntangledBlock(nn.Module):
    """MBConv blocks that differ only in kernel and expansion: (N, into, H, W) and an operation -> the block's output.

    Raises ValueError for blocks without an operation, or with and without an expanding convolution.
    """

    def __init__(self, blocks: Sequence[Block], into: int, stem: Stem, *, transform: bool = False) -> None:
        super().__init__()
        self.blocks, self.into, self.stem = tuple(blocks), into, stem
        operations = [block.operation for block in blocks if block.operation is not None]
        shapes = {replace(block, operation=None) for block in blocks}
        squeezes = {operation.squeeze for operation in operations}
        if len(operations) < len(blocks) or len(shapes) > 1 or len(squeezes) > 1:
            raise ValueError("blocks that share weights differ in kernel and expansion alone")
        kernel, expansion = max(one.kernel for one in operations), max(one.expansion for one in operations)
        largest = Operation(kernel, expansion, operations[0].squeeze)
        self.largest = build_block(replace(blocks[0], operation=largest), into, stem)
        #: by operation; a dict, so that blocks without weights are not in `modules()`
        with torch.device("meta"):
            self.small = {block.operation: build_block(block, into, stem) for block in blocks}
        #: the matrix that makes a kernel of the centre of the next larger one, by its side
        self.transforms = nn.ParameterDict()
        kernels = sorted({one.kernel for one in operations})[:-1] if transform else []
        for side in kernels:
            self.transforms[str(side)] = nn.Parameter(torch.eye(side * side))
        keys = set(self.largest.state_dict())
        if any(set(small.state_dict()) != keys for small in self.small.values()):
            raise ValueError("a block that expands and one that does not share no weights")

    def part(self, operation: Operation) -> dict[str, Tensor]:
        """Return the state dict of the block with `operation`, as views of the shared tensors or transformed."""
        whole = dict(self.largest.named_parameters()) | dict(self.largest.named_buffers())
        return {name: self._part(whole[name], one) for name, one in self.small[operation].state_dict().items()}

    def _part(self, whole: Tensor, small: Tensor) -> Tensor:
        if whole.ndim < 4 or whole.shape[-1] == small.shape[-1] or not self.transforms:
            return cut(whole, small.shape)
        for side in sorted(map(int, self.transforms), reverse=True):
            if small.shape[-1] <= side < whole.shape[-1]:
                centre = cut(whole, (*whole.shape[:2], side, side))
                whole = (centre.flatten(2) @ self.transforms[str(side)].T).view_as(centre)
        return cut(whole, small.shape)

    def alone(self, operation: Operation) -> nn.Module:
        """Build the block with `operation` with a copy of its weights."""
        (block,) = (one for one in self.blocks if one.operation == operation)
        some = next(self.largest.parameters())
        made = build_block(block, self.into, self.stem).to(some.device, some.dtype)
        made.load_state_dict(self.part(operation))
        return made.train(self.training)

    def forward(self, x: Tensor, operation: Operation) -> Tensor:
        # running statistics are updated in place
        return functional_call(self.small[operation].train(self.training), self.part(operation), (x,))


def cut(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a view: the first channels and a kernel's centre."""
    for dimension, size in enumerate(shape):
        start = (tensor.shape[dimension] - size) // 2 if dimension >= 2 else 0
        tensor = tensor.narrow(dimension, start, size)
    return tensor
