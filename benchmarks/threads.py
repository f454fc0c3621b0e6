"""Two trainings at once on one thread each, against one after the other on two: which ends first?

    python benchmarks/threads.py [--repeats 5] [--channels 8] [--side 8] [--images 300]

Both ways train the same two networks in processes of their own and are taken in turn, so that a busy machine is as
unkind to one as to the other. Imports are over before the clock starts. Prints median and range of the seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import statistics
import time
from multiprocessing.synchronize import Barrier

import numpy as np

ARCHITECTURE = "normal:|sep_conv_3x3~0|nor_conv_3x3~1|;reduce:|nor_conv_3x3~0|max_pool_3x3~1|"


def train(threads: int, given: argparse.Namespace, start: Barrier, trainings: int) -> None:
    """Train the network `trainings` times in this process, once all are ready."""
    import torch

    from nas_steps.config.recipe import Recipe
    from nas_steps.config.space import Network
    from nas_steps.data.store import Meta
    from nas_steps.training.devices import prepare
    from nas_steps.training.networks import DeviceImages, Images, train_network
    from nas_steps.training.progress import Progress

    device = prepare("cpu", threads)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (given.images, 3, given.side, given.side), dtype=np.uint8)
    labels = random.integers(0, 10, given.images)
    shape = (3, given.side, given.side)
    meta = Meta(tuple(map(str, range(10))), {}, shape, (0.5,) * 3, (0.3,) * 3, "", {})
    images = Images(meta, DeviceImages(pixels, labels, meta.mean, meta.std, device), None, given.side)
    network = Network(channels=given.channels, cells=5)

    def once(epochs: int) -> None:
        with Progress(epochs, "training") as progress:
            recipe = Recipe(epochs=epochs, warmup_epochs=0)
            train_network(ARCHITECTURE, network, recipe, images, seed=0, progress=progress)

    torch.manual_seed(0)
    once(1)  # allocators and kernels are warm
    start.wait()
    for _ in range(trainings):
        once(given.epochs)
    start.wait()


def seconds(jobs: int, threads: int, trainings: int, given: argparse.Namespace) -> float:
    """How long `jobs` processes take that train `trainings` networks each."""
    context = mp.get_context("spawn")
    start = context.Barrier(jobs + 1)
    children = [context.Process(target=train, args=(threads, given, start, trainings)) for _ in range(jobs)]
    for child in children:
        child.start()
    start.wait()
    began = time.perf_counter()
    start.wait()
    taken = time.perf_counter() - began
    for child in children:
        child.join()
    return taken


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("repeats", 5), ("channels", 8), ("side", 8), ("images", 300), ("epochs", 4)):
        options.add_argument(f"--{name}", type=int, default=value)
    given = options.parse_args()
    cores = os.cpu_count() or 1
    ways = {f"{cores} at once, 1 thread each": (cores, 1, 1), f"1 after another, {cores} threads": (1, cores, cores)}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, (jobs, threads, trainings) in ways.items():
            taken[name].append(seconds(jobs, threads, trainings, given))
    print(
        f"{cores} trainings, {given.epochs} epochs, {given.images} images of {given.side} pixels, C = {given.channels}"
    )
    medians = [statistics.median(found) for found in taken.values()]
    for (name, found), median in zip(taken.items(), medians, strict=True):
        print(f"  {name:28} {median:6.2f} s  [{min(found):.2f}, {max(found):.2f}]")
    print(f"  side by side is {medians[1] / medians[0]:.2f} times as fast")


if __name__ == "__main__":
    main()
