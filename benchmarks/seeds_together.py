"""Seeds of one architecture as one network: how much faster than one after the other, and from which size on no more?

    python -m benchmarks.seeds_together [--seeds 3] [--rounds 7] [--side 8] [--channels 4 8 16 32] [--family cells ...]

One process, one thread. In each round every network makes the same steps of training (batches of 32 made from images,
forward, backward, optimiser) and a pass of evaluation: the seeds one after the other, then together. The time is the
processor's, of which other processes take none. Printed are the median over the rounds and the range of the ratio, and
the load by which the workflow decides (`nas_steps.training.together.load_of`).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nas_steps.config.recipe import Recipe
from nas_steps.config.section import Augment
from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.models.build import build, size
from nas_steps.models.together import Draws, side_by_side
from nas_steps.training.devices import prepare
from nas_steps.training.loop import judge
from nas_steps.training.supervised import SupervisedLearner
from nas_steps.training.together import HEAVIEST, JointLearner, judge_each, load_of

CLASSES, BATCH, STEPS = 10, 32, 5
DARTS = (
    "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~1|skip_connect~0|+"
    "|skip_connect~0|dil_conv_3x3~2|;reduce:|max_pool_3x3~0|max_pool_3x3~1|+|skip_connect~2|max_pool_3x3~1|+"
    "|max_pool_3x3~0|skip_connect~2|+|skip_connect~2|max_pool_3x3~1|"
)
STAGED = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def families(channels: int) -> dict[str, tuple[str, Network]]:
    """Return an architecture and a skeleton of each family, of about so many channels in its first layers."""
    skeleton = Network(channels=channels, cells=5, stem_multiplier=3)
    return {
        "cells": (DARTS, skeleton),
        "staged": (STAGED, Network(channels=channels, cells=1)),
        "resnet20": (f"resnet20_x{channels / 16:g}", skeleton),
        "mobilenet_v3": (f"mobilenet_v3_small_x{channels / 16:g}", skeleton),
    }


class Compared:
    """The same seeds of one architecture, one after the other and together."""

    def __init__(self, architecture: str, network: Network, side: int, seeds: int) -> None:
        draw = np.random.default_rng(0)
        count = STEPS * BATCH
        images = draw.integers(256, size=(count, 3, side, side), dtype=np.uint8)
        labels = draw.integers(CLASSES, size=count)
        self.images = DeviceImages(images, labels, [0.5] * 3, [0.25] * 3, "cpu")
        self.recipe = Recipe(epochs=2, augment=Augment(flip=True, crop=1))
        self.networks = []
        for seed in range(seeds):
            torch.manual_seed(seed)
            made = build(architecture, network, inputs=3, classes=CLASSES, side=side)
            self.networks.append(made.to(memory_format=torch.channels_last))
        macs = size(architecture, network, inputs=3, classes=CLASSES, side=side).macs
        self.load = load_of(self.networks[0], macs, BATCH)
        self.single = [SupervisedLearner(model, self.recipe, STEPS, seed) for seed, model in enumerate(self.networks)]
        draws = Draws(seeds)
        self.model = side_by_side(self.networks, draws)
        self.joint = JointLearner(self.model, self.recipe, STEPS, range(seeds), draws)

    def _batches(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        return self.images.batches(BATCH, augment=self.recipe.augment, shuffle=True, seed=seed)

    def apart(self) -> None:
        for seed, learner in enumerate(self.single):
            for images, labels in self._batches(seed):
                learner(images, labels, 0.5)
            judge(learner.model, self.images)

    def together(self) -> None:
        self.joint.begin()
        for some in zip(*(self._batches(seed) for seed in range(len(self.single))), strict=True):
            self.joint(torch.cat([one for one, _ in some], 1), torch.stack([labels for _, labels in some], 1), 0.5)
        judge_each(self.model, len(self.single), self.images, "accuracy")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--side", type=int, nargs="+", default=[8, 16, 32])
    options.add_argument("--channels", type=int, nargs="+", default=[4, 8, 16, 32])
    options.add_argument("--family", nargs="+", default=list(families(8)))
    given = options.parse_args()
    prepare("cpu", 1)
    print(f"{given.seeds} seeds, batches of {BATCH}, {given.rounds} rounds; together up to a load of {HEAVIEST['cpu']}")
    for side in given.side:
        for family in given.family:
            for channels in given.channels:
                compared = Compared(*families(channels)[family], side, given.seeds)
                seconds: dict[str, list[float]] = {"apart": [], "together": []}
                for number in range(given.rounds + 1):
                    for way, spent in seconds.items():
                        start = time.process_time()
                        getattr(compared, way)()
                        if number:  # the first round warms up
                            spent.append(time.process_time() - start)
                ratios = [one / other for one, other in zip(*seconds.values(), strict=True)]
                apart, together = (1000 * statistics.median(spent) for spent in seconds.values())
                print(
                    f"{family:12} {channels:3} channels, {side} pixels, load {compared.load:6.2f}: "
                    f"{apart:7.0f} ms apart, {together:7.0f} ms together, {statistics.median(ratios):.2f} times as "
                    f"fast ({min(ratios):.2f} to {max(ratios):.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
