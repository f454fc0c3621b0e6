"""Scores many paths of a supernet and computes what they have in common once.

The paths form a trie over their steps. It is walked depth first, and what a step puts out is kept while paths below it
are still to come: each step of the trie is computed once, however many paths go through it.

Batch norms are re-estimated on the way down (Guo et al. 2020, section 3.4; Bender et al. 2018, section 3.3: statistics
that a supernet gathers over all paths fit none of them). Exactly: with m calibration batches, batch i runs through the
path with every batch norm in training mode, that is normalised by its own mean and (biased) variance; a norm's
statistics are then the averages over i of the m means and of the m unbiased variances. What a norm sees of batch i
depends on the steps before it alone, so these statistics belong to the trie's steps too. They are the same that
`momentum=None` (a cumulative average) gives after m forward passes of the whole path.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.models.single import single_values_in_words
from nas_steps.spaces.mobile.space import MobileArchitecture

#: mean and variance of each of a step's batch norms
Statistics = list[tuple[Tensor, Tensor]]


@dataclass
class Node:
    """A step of the trie: which paths end in it, and what its batch norms were re-estimated to be."""

    name: str
    children: dict[str, Node] = field(default_factory=dict)
    paths: list[int] = field(default_factory=list)
    statistics: Statistics | None = None

    def steps(self) -> int:
        """How many steps there are from this one on."""
        return 1 + sum(child.steps() for child in self.children.values())


class SharedPrefixes:
    """The trie of `architectures`, paths of `supernet`, whose weights are read when a step is first come to.

    `calibration` is batches of normalised images (B, C, side, side), from the training data, to re-estimate batch norms
    on; with none the supernet's running statistics are used. The supernet itself is left as it is.

    Memory: a step's output is kept for each step of a path at which others branch off, at most as many as a path has
    steps, for the images at hand and, until the first of them are through, for the calibration batches. Of
    nasbench_macro at 32 pixels all of a path's outputs are 0.41 MB an image in float32, and what is inside a block up
    to 1.8 MB more while it is computed. Statistics are kept for each step of the trie: 8 bytes a normalised channel.
    The steps that are used are copied twice.
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
        """How many steps are computed for all the paths."""
        return self.root.steps() - 1

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Iterator[tuple[list[int], Tensor]]:
        """(indices of architectures, their logits (N, classes)) of images (N, C, side, side), until each has come once.

        Architectures that compute the same come together.
        """
        x = images.contiguous(memory_format=torch.channels_last)
        for child in self.root.children.values():
            yield from self._below(child, x, self._calibration)
        # from now on every step has its statistics
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
            *others, last = node.children.values() or (None,)
            for child in others:
                assert child is not None
                yield from self._below(child, x, batches)
            if last is None:
                return
            # the last path needs no copy of what is kept: it goes on in this very loop
            node = last

    def step(self, name: str) -> FoldedStep:
        """What computes the step of that name; its statistics are those that were folded last."""
        if name not in self._folded:
            self._folded[name] = FoldedStep(self._supernet.step(name))
        return self._folded[name]


class FoldedStep(nn.Module):
    """A step in evaluation mode, with its batch norms folded into the convolutions before them.

    The step becomes this one's own.
    """

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        # for re-estimation, as it was: in training mode, but for dropout and its like
        self.step = step.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        folded = copy.deepcopy(self.step)
        self.pairs = list(_pairs(self.step))
        self.convolutions = [convolution for convolution, _ in _pairs(folded)]
        for convolution in self.convolutions:
            convolution.bias = nn.Parameter(torch.empty_like(convolution.weight[:, 0, 0, 0]), requires_grad=False)
        _leave_norms_out(folded)
        self.folded = folded
        for _, norm in self.pairs:
            norm.momentum = None
        self.fold([(norm.running_mean, norm.running_var) for _, norm in self.pairs])  # type: ignore[misc]

    def forward(self, x: Tensor) -> Tensor:
        return self.folded(x)

    def fold(self, statistics: Statistics) -> None:
        """Take these statistics from now on."""
        for (convolution, norm), target, (mean, variance) in zip(
            self.pairs, self.convolutions, statistics, strict=True
        ):
            weight, bias = fuse_conv_bn_weights(
                convolution.weight, None, mean, variance, norm.eps, norm.weight, norm.bias
            )
            target.weight.copy_(weight)
            assert target.bias is not None
            target.bias.copy_(bias)

    def estimate(self, batches: Sequence[Tensor]) -> tuple[list[Tensor], Statistics]:
        """What the step makes of the batches, each normalised by its own statistics, and the averages of those."""
        for _, norm in self.pairs:
            norm.reset_running_stats()
            norm.train()
        with single_values_in_words("calibration_images"):
            found = [self.step(batch) for batch in batches]
        statistics = []
        for _, norm in self.pairs:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            statistics.append((norm.running_mean.clone(), norm.running_var.clone()))
        return found, statistics


def evaluate_paths(
    supernet: MobileSupernet,
    architectures: Sequence[MobileArchitecture],
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    calibration: Sequence[Tensor] = (),
) -> list[float]:
    """The accuracy of each architecture with the supernet's weights, on batches of normalised images (B, C, side, side)
    and labels (B,). Memory is that of one batch at a time; see `SharedPrefixes`, also for `calibration`.
    """
    shared = SharedPrefixes(supernet, architectures, calibration=calibration)
    correct: list[Tensor | int] = [0] * len(architectures)
    seen = 0
    for images, labels in batches:
        seen += len(labels)
        for paths, logits in shared.logits(images):
            hits = (logits.argmax(1) == labels).sum()
            for index in paths:
                correct[index] = correct[index] + hits
    if seen == 0:
        raise ValueError("no images to evaluate on")
    return [int(hits) / seen for hits in correct]


def _pairs(step: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Every convolution with the batch norm that follows it."""
    for module in step.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            assert isinstance(module[0], nn.Conv2d)
            yield module[0], module[1]


def _leave_norms_out(step: nn.Module) -> None:
    for module in step.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            module[1] = nn.Identity()
