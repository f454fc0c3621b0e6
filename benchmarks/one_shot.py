"""Scoring many paths of a supernet over their shared prefixes against one at a time, side by side.

    python -m benchmarks.one_shot [--candidates 1000] [--images 64] [--repeats 3] [--threads 2] [--calibration 0]

The candidates are those that regularised evolution (Real et al. 2019) proposes in nasbench_macro, for a fitness that is
a sum over layers, each scored once; or, `--uniform`, drawn at random. Weights are random. "One at a time" is what
one-shot search does as a rule: `supernet(images, path)` in evaluation mode, as PyTorch runs it out of the box; with
calibration batches, the path's norms are reset before and re-estimated on them. All see the same images, in turns. For
each way it prints the median and the spread of the time and of the ratio within a turn, and how many of all predictions
differ. "Folded" has no sharing: what `together` has over it is the sharing's.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from random import Random

import torch
from torch import Tensor, nn

from nas_steps.models.mobile.prefix import SharedPrefixes
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace

CLASSES = 10
SIDE = 32


def evolved(space: MobileSpace, count: int, seed: int) -> list[MobileArchitecture]:
    """So many different architectures that regularised evolution proposes.

    A population of 50, tournaments of 10, one run of 300 proposals after the other: a single one soon proposes what it
    has proposed before.
    """
    random = Random(seed)
    worth: dict[tuple[int, int], float] = {}

    def fitness(architecture: MobileArchitecture) -> float:
        return sum(worth.setdefault(one, random.gauss(0, 1)) for one in enumerate(space.decided(architecture)))

    found: dict[MobileArchitecture, None] = {}
    while len(found) < count:
        alive = deque((fitness(one), one) for one in (space.sample(random) for _ in range(50)))
        found |= dict.fromkeys(one for _, one in alive)
        for _ in range(250):
            _, parent = max(random.sample(list(alive), 10), key=lambda pair: pair[0])
            child = space.mutate(parent, random)
            alive.append((fitness(child), child))
            alive.popleft()
            found[child] = None
    return list(found)[:count]


def uniform(space: MobileSpace, count: int, seed: int) -> list[MobileArchitecture]:
    """So many different architectures at random."""
    random = Random(seed)
    found: dict[MobileArchitecture, None] = {}
    while len(found) < count:
        found[space.sample(random)] = None
    return list(found)


def one_at_a_time(
    supernet: MobileSupernet, paths: Sequence[MobileArchitecture], images: Tensor, calibration: Sequence[Tensor]
) -> Tensor:
    """Predictions (paths, N). With `calibration`, the statistics of the supernet's norms are lost."""
    supernet.eval()
    found = []
    with torch.inference_mode():
        for path in paths:
            if calibration:
                norms = [
                    module
                    for name in supernet.path(path)
                    for module in supernet.modules_of[name].modules()
                    if isinstance(module, nn.BatchNorm2d)
                ]
                for norm in norms:
                    norm.reset_running_stats()
                    norm.momentum = None
                    norm.train()
                for batch in calibration:
                    supernet(batch, path)
                for norm in norms:
                    norm.eval()
            found.append(supernet(images, path).argmax(1))
    return torch.stack(found)


def together(
    supernet: MobileSupernet, paths: Sequence[MobileArchitecture], images: Tensor, calibration: Sequence[Tensor]
) -> Tensor:
    """Predictions (paths, N)."""
    found = torch.empty(len(paths), len(images), dtype=torch.long, device=images.device)
    for indices, logits in SharedPrefixes(supernet, paths, calibration=calibration).logits(images):
        found[indices] = logits.argmax(1)
    return found


def folded_alone(
    supernet: MobileSupernet, paths: Sequence[MobileArchitecture], images: Tensor, calibration: Sequence[Tensor]
) -> Tensor:
    """One path at a time, folded and channels-last as `together`: what is left is sharing."""
    shared = SharedPrefixes(supernet, paths[:1])
    images = images.contiguous(memory_format=torch.channels_last)
    del calibration
    found = []
    with torch.inference_mode():
        for path in paths:
            x = images
            for name in supernet.path(path):
                x = shared.step(name)(x)
            found.append(x.argmax(1))
    return torch.stack(found)


def seconds(score: Callable[[], Tensor], device: str) -> tuple[float, Tensor]:
    began = time.perf_counter()
    found = score()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began, found


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f}  [{min(values):.2f}, {max(values):.2f}]"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--candidates", type=int, default=1000)
    options.add_argument("--images", type=int, default=64)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--calibration", type=int, default=0, help="batches of as many images to re-estimate norms on")
    options.add_argument("--uniform", action="store_true", help="random candidates instead of evolution's")
    options.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    space = PRESETS["nasbench_macro"]
    supernet = MobileSupernet(space, inputs=3, classes=CLASSES).to(given.device)
    # the images differ in contrast, and the norms' statistics are those of such images, so that predictions differ
    images, *calibration = (
        (torch.randn(given.images, 3, SIDE, SIDE) * torch.randn(given.images, 1, 1, 1).exp()).to(given.device)
        for _ in range(1 + given.calibration)
    )
    for norm in supernet.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 0.02
    with torch.no_grad():
        for architecture in evolved(space, 200, seed=1):
            supernet(torch.randn_like(images[:16]) * torch.randn_like(images[:16, :1, :1, :1]).exp(), architecture)
    supernet.eval()
    paths = (uniform if given.uniform else evolved)(space, given.candidates, seed=0)
    shared = len(SharedPrefixes(supernet, paths))
    steps = sum(len(supernet.path(path)) for path in paths)
    print(
        f"torch {torch.__version__}, {given.device}, {given.threads} threads, {given.images} images, {len(paths)} paths"
    )
    print(f"  {steps} steps, {shared} of them different")
    eager = copy.deepcopy(supernet)
    ways = {"one at a time": lambda: one_at_a_time(eager, paths, images, calibration)}
    if not calibration:
        ways["folded, one at a time"] = lambda: folded_alone(supernet, paths, images, calibration)
    ways["together"] = lambda: together(supernet, paths, images, calibration)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for repeat in range(given.repeats):
        found = {}
        for way, score in ways.items():
            taken, found[way] = seconds(score, given.device)
            times[way].append(taken)
        differ = (found["one at a time"] != found["together"]).sum().item()
        kinds = found["together"].unique().numel()
        print(
            f"  turn {repeat + 1}: {differ} of {found['together'].numel()} predictions differ ({kinds} classes)",
            flush=True,
        )
    for way, taken in times.items():
        ratios = [slow / fast for slow, fast in zip(times["one at a time"], taken, strict=True)]
        print(f"  {way}: {spread(taken)} s, ratio {spread(ratios)}")


if __name__ == "__main__":
    main()
