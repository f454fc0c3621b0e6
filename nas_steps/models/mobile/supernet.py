"""The single-path supernet of a mobile space: every layer's choices side by side, of which a path takes one each.

Guo et al. 2020, section 3 (single path one-shot). Blocks that differ share no weights, or, entangled, those that differ
in kernel and expansion alone share them (`nas_steps.models.mobile.entangled`). A stage of fewer layers leaves out
its last
ones (Cai et al. 2020, section 3.3).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from torch import Tensor, nn
from torchvision.models.efficientnet import MBConvConfig

from nas_steps.models.mobile.entangled import EntangledBlock
from nas_steps.models.mobile.network import build_block, build_classifier, build_last, build_stem, initialise
from nas_steps.spaces.mobile.architectures import Block, Head, Operation, Stem
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace

#: the first step of every path
STEM = "stem"


class LastStep(nn.Module):
    """The head: (N, width, H, W) -> logits (N, classes)."""

    def __init__(self, head: Head, width: int, classes: int, stem: Stem) -> None:
        super().__init__()
        self.last = build_last(head, width, stem)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = build_classifier(head, classes, stem)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.last(x)).flatten(1))


class MobileSupernet(nn.Module):
    """(N, inputs, side, side) and a path -> logits (N, classes).

    A path is an architecture of `space`. It is a sequence of steps: the stem, a block for each layer that is not left
    out, the head. A block belongs to a layer and to the channels that come in.
    """

    def __init__(self, space: MobileSpace, *, inputs: int, classes: int, entangled: bool = False) -> None:
        super().__init__()
        self.space = space
        self.modules_of = nn.ModuleDict({STEM: build_stem(space.stem, inputs)})
        #: by the step's name, what computes it, and as which of its operations where it has several
        self.steps: dict[str, tuple[str, Operation | None]] = {STEM: (STEM, None)}
        groups: dict[str, list[tuple[int, Block]]] = {}
        for number, layer, into, block in _reachable(space):
            name = step_name(number, layer, into, block)
            if name is None or name in self.steps:
                continue
            shared = entangled and block.operation is not None
            owner = _owner_name(number, layer, into, block) if shared else name
            self.steps[name] = (owner, block.operation if shared else None)
            groups.setdefault(owner, []).append((into, block))
            if not shared:
                self.modules_of[name] = build_block(block, into, space.stem)
        for owner, members in groups.items():
            if owner not in self.modules_of:
                blocks = [block for _, block in members]
                self.modules_of[owner] = EntangledBlock(blocks, members[0][0], space.stem)
        for width in space.stages[-1].width:
            name = _head_name(width)
            self.steps[name] = (name, None)
            self.modules_of[name] = LastStep(space.head, width, classes, space.stem)
        initialise(self)

    def path(self, architecture: MobileArchitecture) -> list[str]:
        """The names of an architecture's steps. Paths that begin with the same names compute the same until they part.
        Raises UserError for an architecture of another space."""
        names = [step_name(*place) for place in self.space.check(architecture).blocks()]
        width = architecture.stages[-1][-1].width
        return [STEM, *(name for name in names if name is not None), _head_name(width)]

    def step(self, name: str) -> nn.Module:
        """A copy of a step."""
        owner, operation = self.steps[name]
        module = self.modules_of[owner]
        if operation is None:
            return copy.deepcopy(module)
        assert isinstance(module, EntangledBlock)
        return module.alone(operation)

    def forward(self, x: Tensor, architecture: MobileArchitecture) -> Tensor:
        for name in self.path(architecture):
            owner, operation = self.steps[name]
            module = self.modules_of[owner]
            x = module(x) if operation is None else module(x, operation)
        return x


def step_name(stage: int, layer: int, into: int, block: Block) -> str | None:
    """What the block's module is called; None for a layer that is left out and changes no shape."""
    if block.operation is None and block.stride == 1 and block.width == into:
        return None
    operation = "id" if block.operation is None else str(block.operation)
    name = f"{stage}-{layer}-c{into}-{operation}_s{block.stride}_c{block.width}"
    # a module's name has no dot
    return (f"{name}_{block.activation}" if block.activation else name).replace(".", ",")


def _owner_name(stage: int, layer: int, into: int, block: Block) -> str:
    """What the module is called that the block shares with others that differ in kernel and expansion alone."""
    assert block.operation is not None
    # a block that does not expand has no convolution to share for that
    expands = MBConvConfig.adjust_channels(into, block.operation.expansion) != into
    shape = f"{stage}-{layer}-c{into}-{'expands' if expands else 'mb'}_s{block.stride}_c{block.width}"
    return "_".join(filter(None, (shape, block.activation, block.operation.squeeze))).replace(".", ",")


def _head_name(width: int) -> str:
    return f"head-c{width}"


def _reachable(space: MobileSpace) -> Iterator[tuple[int, int, int, Block]]:
    """(stage, layer, channels that come in, block) for everything that some architecture has there."""
    before: tuple[int, ...] = (space.stem.width,)
    for number, stage in enumerate(space.stages):
        for layer in range(max(stage.depth)):
            for width in stage.width:
                for into in before if layer == 0 else (width,):
                    for stride in stage.stride if layer == 0 else (1,):
                        for activation in stage.activation:
                            for place in stage.places(layer if stage.by == "layer" else 0):
                                shown = "" if place is None else activation
                                yield number, layer, into, Block(width, stride, place, shown)
        before = stage.width
