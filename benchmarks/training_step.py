"""One step of fine-tuning EfficientNet-Lite0: what do memory and frozen stages change?

    python -m benchmarks.training_step [--rounds 5] [--side 96] [--batch 32]

Ways of `WAYS`, each in a process of its own and taken in turn, so that a busy machine is as unkind to one as to the
other. A process makes ten steps after two that warm up, on one thread; printed are the median step of each way over the
rounds, their range, the ratio to the first way, and the page faults of a step.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

STEPS, WARM = 10, 2
#: by name: whether new tensors are filled, whether freed memory is given back, stages that are frozen
WAYS = {
    "filled, given back": (True, True, 0),
    "not filled, given back": (False, True, 0),
    "filled, kept": (True, False, 0),
    "not filled, kept": (False, False, 0),
    "and 4 stages frozen": (False, False, 4),
}


def measure(way: str, side: int, batch: int) -> tuple[float, float]:
    """Return the median seconds of a step, and the page faults of one."""
    filled, given_back, frozen = WAYS[way]
    if given_back:
        os.environ["MALLOC_NOTHING_"] = ""  # `prepare` takes it for an allocator that was set up
    import torch
    import torch.nn.functional as F

    from nas_steps.config.recipe import Recipe
    from nas_steps.models.mobile.network import MobileNetwork
    from nas_steps.spaces.mobile.architectures import parse_mobile
    from nas_steps.spaces.mobile.efficientnet import LITE0
    from nas_steps.training.devices import prepare
    from nas_steps.training.networks import freeze_stages
    from nas_steps.training.supervised import SupervisedLearner

    prepare("cpu", 1)
    torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
    torch.manual_seed(0)
    model = MobileNetwork(parse_mobile(LITE0), inputs=3, classes=5).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze_stages(model, frozen)
    recipe = Recipe(optimizer="adamw", learning_rate=0.001, layer_decay=0.85, batch_norm="frozen", warmup_epochs=0)
    learner = SupervisedLearner(model, recipe, STEPS)
    images = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(5, (batch,))
    assert F.cross_entropy(model(images), labels).isfinite()
    seconds, before = [], 0
    for step in range(WARM + STEPS):
        if step == WARM:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        start = time.perf_counter()
        learner(images, labels, step / (WARM + STEPS))
        seconds.append(time.perf_counter() - start)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return statistics.median(seconds[WARM:]), faults / STEPS


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--side", type=int, default=96)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--way", choices=list(WAYS), help="measure one, once, and print its figures alone")
    given = options.parse_args()
    if given.way is not None:
        print(*measure(given.way, given.side, given.batch))
        return
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    own = [sys.executable, "-m", "benchmarks.training_step", "--side", str(given.side), "--batch", str(given.batch)]
    for _ in range(given.rounds):
        for way, all_of_it in found.items():
            done = subprocess.run([*own, "--way", way], check=True, capture_output=True, text=True)
            seconds, faults = map(float, done.stdout.split())
            all_of_it.append((seconds, faults))
    print(f"{given.batch} images of {given.side} pixels, {given.rounds} rounds; milliseconds of a step")
    first = next(iter(found.values()))
    for way, figures in found.items():
        steps = sorted(1000 * seconds for seconds, _ in figures)
        ratios = [seconds / base for (seconds, _), (base, _) in zip(figures, first, strict=True)]
        print(
            f"{way:24} {statistics.median(steps):6.0f} ({steps[0]:.0f} to {steps[-1]:.0f})  ratio "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})  "
            f"{statistics.median(faults for _, faults in figures):,.0f} page faults"
        )


if __name__ == "__main__":
    main()
