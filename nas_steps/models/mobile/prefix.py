"""Score many paths of a supernet and compute their common steps once.

The paths form a trie over their steps, which is walked depth first. A step's output is kept while paths below it
remain, so each step is computed once.

Batch norms are re-estimated on the way down, since statistics over all paths fit none of them (Guo et al. 2020, section
3.4; Bender et al. 2018, section 3.3). Each calibration batch runs through the path in training mode. A norm's
statistics are the averages of the batches' means and unbiased variances, as with `momentum=None` after forward passes
of the whole path. They depend only on the steps before it, so the trie's steps share them too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from nas_steps.metrics import ACCURACY
from nas_steps.models.mobile.fused import FusedConvolution, can_fuse
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.models.single import single_values_in_words
from nas_steps.models.tally import Tally
from nas_steps.spaces.mobile.space import MobileArchitecture

#: mean and variance of each of a step's batch norms
Statistics = list[tuple[Tensor, Tensor]]


@dataclass
class Node:
    """A step of the trie, the paths that end in it, and its batch norms' new statistics."""

    name: str
    children: dict[str, Node] = field(default_factory=dict)
    paths: list[int] = field(default_factory=list)
    statistics: Statistics | None = None

    def steps(self) -> int:
        """Count the steps from this one on."""
        return 1 + sum(child.steps() for child in self.children.values())


class SharedPrefixes:
    """The trie of `architectures`, paths of `supernet`, whose weights are copied when a step is first reached.

    `calibration` is batches of normalised training images (B, C, side, side) to re-estimate batch norms on; without
    them the supernet's running statistics are used.

    Memory: outputs are kept for each branching step of the current path, for the images and, in the first call, the
    calibration batches. A path of nasbench_macro at 32 pixels takes 0.41 MB per image in float32, and up to 1.8 MB more
    within a block. Statistics take 8 bytes per normalised channel of the trie. The used steps are copied twice.
    """

    def __init__(
        self,
        supernet: MobileSupernet,
        architectures: Sequence[MobileArchitecture],
        *,
        calibration: Sequence[Tensor] = (),
    ) -> None:
        self.root = Node("")
        for index, architecture in enumerate(architectures):
            node = self.root
            for name in supernet.path(architecture):
                node = node.children.setdefault(name, Node(name))
            node.paths.append(index)
        self._supernet = supernet
        self._folded: dict[str, FoldedStep] = {}
        self._calibration = [batch.contiguous(memory_format=torch.channels_last) for batch in calibration]
        self._estimated = bool(calibration)

    def __len__(self) -> int:
        """Count the steps that are computed for all paths."""
        return self.root.steps() - 1

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Iterator[tuple[list[int], Tensor]]:
        """Yield (indices of equal architectures, their logits (N, classes)) for images (N, C, side, side)."""
        x = images.contiguous(memory_format=torch.channels_last)
        for child in self.root.children.values():
            yield from self._below(child, x, self._calibration)
        # now every step has its statistics
        self._calibration = []

    def _below(self, node: Node, x: Tensor, batches: list[Tensor]) -> Iterator[tuple[list[int], Tensor]]:
        while True:
            step = self.step(node.name)
            if self._estimated:
                if batches:
                    batches, node.statistics = step.estimate(batches)
                assert node.statistics is not None
                step.fold(node.statistics)
            x = step(x)
            if node.paths:
                yield node.paths, x
            children = list(node.children.values())
            if not children:
                return
            for child in children[:-1]:
                yield from self._below(child, x, batches)
            # iterate into the last child, so that this step's output is not kept
            node = children[-1]

    def step(self, name: str) -> FoldedStep:
        """Return the step of that name, with the statistics that were folded last."""
        if name not in self._folded:
            self._folded[name] = FoldedStep(self._supernet.step(name))
        return self._folded[name]


class FoldedStep(nn.Module):
    """A step in evaluation mode, with its batch norms folded into the convolutions before them. Takes the step over."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        # for re-estimation, in which only the norms are in training mode
        self.step = step.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        folded = copy.deepcopy(self.step)
        self.pairs = [(convolution, norm) for convolution, norm, *_ in _normalised(self.step)]
        self.convolutions: list[Any] = []
        for layers in _normalised(folded):
            layers[0].bias = nn.Parameter(torch.empty_like(layers[0].weight[:, 0, 0, 0]), requires_grad=False)
            layers[1] = nn.Identity()
            activation = layers[2] if len(layers) > 2 else layers[1]
            if can_fuse(layers[0], activation):
                layers[0] = FusedConvolution(layers[0], activation)
                layers[-1] = nn.Identity()
            self.convolutions.append(layers[0])
        self.folded = folded
        for _, norm in self.pairs:
            norm.momentum = None
        self.fold([(norm.running_mean, norm.running_var) for _, norm in self.pairs])

    def forward(self, x: Tensor) -> Tensor:
        return self.folded(x)

    def fold(self, statistics: Statistics) -> None:
        for (convolution, norm), target, (mean, variance) in zip(
            self.pairs, self.convolutions, statistics, strict=True
        ):
            weight, bias = fuse_conv_bn_weights(
                convolution.weight, None, mean, variance, norm.eps, norm.weight, norm.bias
            )
            if isinstance(target, FusedConvolution):
                target.put(weight, bias)
            else:
                target.weight.copy_(weight)
                target.bias.copy_(bias)

    def estimate(self, batches: Sequence[Tensor]) -> tuple[list[Tensor], Statistics]:
        """Return the batches' outputs, each normalised by its own statistics, and the averages of these."""
        for _, norm in self.pairs:
            norm.reset_running_stats()
            norm.train()
        with single_values_in_words("calibration_images"):
            found = [self.step(batch) for batch in batches]
        return found, [(norm.running_mean.clone(), norm.running_var.clone()) for _, norm in self.pairs]


def evaluate_paths(
    supernet: MobileSupernet,
    architectures: Sequence[MobileArchitecture],
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    calibration: Sequence[Tensor] = (),
    metric: str = ACCURACY,
) -> list[float]:
    """Return the metrics on batches of images (B, C, side, side) and labels (B,); see `SharedPrefixes`."""
    shared = SharedPrefixes(supernet, architectures, calibration=calibration)
    tallies = [Tally(metric) for _ in architectures]
    for images, labels in batches:
        for paths, logits in shared.logits(images):
            for index in paths:
                tallies[index].add(logits, labels)
    return [tally.value() for tally in tallies]


def _normalised(step: nn.Module) -> list[Any]:
    """Return every sequence of a convolution, its batch norm and perhaps more."""
    sequences = [module for module in step.modules() if isinstance(module, nn.Sequential)]
    return [layers for layers in sequences if len(layers) > 1 and isinstance(layers[1], nn.BatchNorm2d)]
