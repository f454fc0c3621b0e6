"""The single-path supernet of a mobile space (Guo et al. 2020, section 3): a path takes one choice of each layer.

Different blocks share no weights unless entangled (`nas_steps.models.mobile.entangled`). A shorter stage leaves out its
last layers (Cai et al. 2020, section 3.3).
"""

import copy
from collections.abc import Iterator
from itertools import product

from torch import Tensor, nn
from torchvision.models.efficientnet import MBConvConfig

from nas_steps.models.mobile.entangled import EntangledBlock
from nas_steps.models.mobile.network import build_block, build_classifier, build_last, build_stem, initialise
from nas_steps.models.resize import Resize
from nas_steps.spaces.mobile.architectures import Block, Head, Operation, Stem
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace

#: the first step of every path, or the second if images are resized
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
    """(N, inputs, side, side) and an architecture of `space` -> logits (N, classes).

    An architecture is a path: the resizing of its images, if the space has resolutions, the stem, a block for each
    layer (by its input channels) that is no identity, the head. Weights are shared by all resolutions.
    """

    def __init__(
        self, space: MobileSpace, *, inputs: int, classes: int, entangled: bool = False, transform: bool = False
    ) -> None:
        super().__init__()
        self.space = space
        self.modules_of = nn.ModuleDict({STEM: build_stem(space.stem, inputs)})
        #: by the step's name, the name of its module, and its operation if the module is entangled
        self.steps: dict[str, tuple[str, Operation | None]] = {STEM: (STEM, None)}
        for side in space.resolution:
            self.steps[resize_name(side)] = (resize_name(side), None)
            self.modules_of[resize_name(side)] = Resize(side)
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
                self.modules_of[owner] = EntangledBlock(blocks, members[0][0], space.stem, transform=transform)
        for width in space.stages[-1].width:
            name = f"head-c{width}"
            self.steps[name] = (name, None)
            self.modules_of[name] = LastStep(space.head, width, classes, space.stem)
        initialise(self)

    def path(self, architecture: MobileArchitecture) -> list[str]:
        """Name an architecture's steps; equal beginnings compute the same, and those of two resolutions differ at once.

        Raises UserError for another space's.
        """
        names = [step_name(*place) for place in self.space.check(architecture).blocks()]
        width = architecture.stages[-1][-1].width
        side = architecture.stem.side
        first = [resize_name(side), STEM] if side else [STEM]
        return [*first, *(name for name in names if name is not None), f"head-c{width}"]

    def step(self, name: str) -> nn.Module:
        """Copy a step."""
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


def resize_name(side: int) -> str:
    """Name the step that resizes images to `side` pixels."""
    return f"i{side}"


def step_name(stage: int, layer: int, into: int, block: Block) -> str | None:
    """Name the block's module, None for an identity."""
    # a module's name has no dot
    return None if block.is_identity(into) else f"{stage}-{layer}-c{into}-{block}".replace(".", ",")


def _owner_name(stage: int, layer: int, into: int, block: Block) -> str:
    """Name the module that the block shares with others that differ only in kernel and expansion."""
    assert block.operation is not None
    # a block that does not expand has no expanding convolution to share
    expands = MBConvConfig.adjust_channels(into, block.operation.expansion) != into
    shape = f"{stage}-{layer}-c{into}-{'expands' if expands else 'mb'}_s{block.stride}_c{block.width}"
    return "_".join(filter(None, (shape, block.activation, block.operation.squeeze))).replace(".", ",")


def _reachable(space: MobileSpace) -> Iterator[tuple[int, int, int, Block]]:
    """Yield (stage, layer, input channels, block) for every block of some architecture."""
    before: tuple[int, ...] = (space.stem.width,)
    for number, stage in enumerate(space.stages):
        for layer, width in product(range(max(stage.depth)), stage.width):
            inputs, strides = (before, stage.stride) if layer == 0 else ((width,), (1,))
            places = stage.places(layer if stage.by == "layer" else 0)
            for into, stride, activation, place in product(inputs, strides, stage.activation, places):
                yield number, layer, into, Block(width, stride, place, "" if place is None else activation)
        before = stage.width
