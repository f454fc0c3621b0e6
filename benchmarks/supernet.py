"""Whole search steps of the supernet against a textbook implementation of the same, side by side.

    python -m benchmarks.supernet [--device cpu] [--repeats 7] [--threads 2] [--only NAME]

A step is an alpha step and a weight step without their optimisers, which are the same for both. For each setting it
prints the median and the spread of the ratio over interleaved repeats, with compiled kernels and without, by time
and in processor seconds (which other work on the machine changes less), the peak memory of each above what the process
holds when idle (of a process of its own), and how far outputs and gradients are apart (in float64, and in float32).
The loader is timed by itself.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.textbook import Textbook, copy, pairs
from nas_steps.config.section import Augment
from nas_steps.config.space import Network
from nas_steps.config.strategies import DartsSecondOrder
from nas_steps.data.batches import DeviceImages
from nas_steps.models.cells import folding
from nas_steps.models.cells.kernels import library
from nas_steps.models.cells.kernels.library import code_for
from nas_steps.models.cells.supernet import Supernet
from nas_steps.search.darts.learner import learn_only, learner_of
from nas_steps.spaces.cells.presets import PRESETS

CLASSES = 10


@dataclass(frozen=True)
class Setting:
    name: str
    space: str
    channels: int
    cells: int
    batch: int
    side: int
    second_order: bool = False


SETTINGS = (
    Setting("C8-5cells-b32-16px", "darts", 8, 5, 32, 16),
    Setting("C8-5cells-b32-16px-2nd", "darts", 8, 5, 32, 16, second_order=True),
    Setting("C16-8cells-b64-32px", "darts", 16, 8, 64, 32),
    Setting("nb201-C16-N5-b64-32px", "nasbench201", 16, 5, 64, 32),
)


def build(setting: Setting, device: str, dtype: torch.dtype = torch.float32) -> tuple[Supernet, Textbook]:
    torch.manual_seed(0)
    space = PRESETS[setting.space]
    network = Network(channels=setting.channels, cells=setting.cells)
    fast = Supernet(space, network, inputs=3, classes=CLASSES)
    slow = Textbook(space, network, inputs=3, classes=CLASSES)
    copy(fast, slow)
    return fast.to(device, dtype, memory_format=torch.channels_last), slow.to(device, dtype)  # type: ignore[call-overload]


def batch(setting: Setting, device: str, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(setting.batch, 3, setting.side, setting.side, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (setting.batch,), generator=generator)
    return images.to(device, dtype), labels.to(device)


def textbook_step(model: Textbook, train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor]) -> None:
    """As in a paper's code: everything is differentiated, whatever is used."""
    for images, labels in (valid, train):
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()


def textbook_second_order(model: Textbook, train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor]) -> None:
    """The unrolled step with the paper's finite difference, by a second model's weights put in and taken out."""

    def gradients(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        return {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}

    weights = {name: one for name, one in model.named_parameters() if not name.startswith("alphas")}
    before = {name: one.detach().clone() for name, one in weights.items()}

    def put(vector: dict[str, Tensor], share: float) -> None:
        with torch.no_grad():
            for name, one in weights.items():
                one.copy_(before[name] + share * vector[name])

    put(gradients(*train), -0.025)
    ahead = gradients(*valid)
    step = 0.01 / torch.cat([ahead[name].flatten() for name in weights]).norm().item()
    for sign in (1, -1):
        put(ahead, sign * step)
        gradients(*train)
    put(ahead, 0)
    gradients(*train)


def stepper(
    setting: Setting, fast: Supernet, train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor]
) -> Callable[[], None]:
    """The supernet's step, as a search takes it, at a learning rate of nearly nothing."""
    settings = DartsSecondOrder(learning_rate=1e-9, learning_rate_min=0, alpha_learning_rate=1e-12, weight_decay=0)
    learner = learner_of(settings.kind)(fast, settings)
    train, valid = ((images.to(memory_format=torch.channels_last), labels) for images, labels in (train, valid))

    def step() -> None:
        fast.train()
        if setting.second_order:
            learner.alpha_gradients(train, valid, None, 0.0)
            learner.alpha_optimizer.step()
        else:
            learn_only(learner.alphas, frozen=learner.weights)
            learner.micro_batches.backward(learner.alphas, *valid, learner.loss_of(lambda: learner.mix(None), 0.0))
        learn_only(learner.weights, frozen=learner.alphas)
        learner.micro_batches.backward(learner.weights, *train, learner.loss_of(lambda: learner.mix(None), 0.0))

    return step


def seconds(step: Callable[[], None], device: str) -> tuple[float, float]:
    """As time passes, and of the processors, which other work on the machine changes less; on a GPU the same twice."""
    if device == "cuda":
        started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        started.record()
        step()
        ended.record()
        torch.cuda.synchronize()
        return (started.elapsed_time(ended) / 1000,) * 2
    began, busy = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - began, time.process_time() - busy


@contextmanager
def kernels(wanted: bool) -> Iterator[None]:
    """Compute with compiled kernels, or in plain torch."""
    decided = library.available
    library.available = lambda: wanted and decided()  # type: ignore[assignment]
    try:
        yield
    finally:
        library.available = decided


def steps(setting: Setting, device: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """(the textbook's step, the supernet's)."""
    fast, slow = build(setting, device)
    train = batch(setting, device)
    slow_step = textbook_second_order if setting.second_order else textbook_step
    return (lambda: slow_step(slow, train, train)), stepper(setting, fast, train, train)


def _peak(
    setting: Setting, which: int, device: str, threads: int, compiled: bool, answer: multiprocessing.Queue[float]
) -> None:
    torch.set_num_threads(threads)
    step = steps(setting, device)[which]
    with kernels(compiled):
        answer.put(_rise(step, device))


def _rise(step: Callable[[], None], device: str) -> float:
    """MiB above idle in one step."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        idle = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - idle) / 2**20
    library.available()  # loading is no part of a step
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget the peak that imports left
    idle = _most_resident()
    step()
    return (_most_resident() - idle) / 2**10


def _most_resident() -> int:
    """KiB that this process has held at most."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def peak(setting: Setting, which: int, device: str, threads: int, *, compiled: bool = True) -> float:
    """MiB above idle in one step, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[float] = context.Queue()
    child = context.Process(target=_peak, args=(setting, which, device, threads, compiled, answer))
    child.start()
    found = answer.get()
    child.join()
    return found


def differences(setting: Setting, device: str, dtype: torch.dtype) -> tuple[float, float, float]:
    """Largest difference of the outputs, largest and median one of the gradients' tensors, relative to each tensor's
    largest entry. A small batch will do."""
    small = Setting(setting.name, setting.space, 4, 3 if setting.space == "darts" else 1, 8, 8)
    # both ways to norm, and the compiled kernels
    ways = ((0, False), (folding.LARGE, False), (folding.LARGE, device == "cpu" and library.available()))
    found = [_differences(small, device, dtype, *way) for way in dict.fromkeys(ways)]
    return tuple(max(column) for column in zip(*found, strict=True))


def _differences(
    small: Setting, device: str, dtype: torch.dtype, large: int, compiled: bool
) -> tuple[float, float, float]:
    fast, slow = build(small, device, dtype)
    images, labels = batch(small, device, dtype)
    outputs, usual, folding.LARGE = [], folding.LARGE, large
    for model, given in ((fast, images.to(memory_format=torch.channels_last)), (slow, images)):
        with kernels(compiled):
            logits = model(given)
        F.cross_entropy(logits, labels).backward()
        outputs.append(logits.detach())
    folding.LARGE = usual
    apart = [
        ((mine - theirs).abs().max() / theirs.abs().max().clamp_min(1e-12)).item()
        for mine, theirs in pairs(fast, slow, "grad")
        if theirs.abs().max() > 1e-12
    ]
    return (outputs[0] - outputs[1]).abs().max().item(), max(apart), statistics.median(apart)


def loader(setting: Setting, device: str) -> float:
    """Seconds to make an augmented batch of resident images."""
    count = 20 * setting.batch
    images = torch.randint(256, (count, 3, setting.side, setting.side), dtype=torch.uint8)
    data = DeviceImages(images.numpy(), torch.randint(CLASSES, (count,)).numpy(), (0.5,) * 3, (0.25,) * 3, device)
    began = time.perf_counter()
    made = sum(1 for _ in data.batches(setting.batch, augment=Augment(flip=True, crop=2), shuffle=True, seed=1))
    return (time.perf_counter() - began) / made


def _median(numbers: Iterable[float]) -> float:
    return statistics.median(list(numbers))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options.add_argument("--repeats", type=int, default=7)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--only", help="settings whose name contains this")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    print(f"torch {torch.__version__}, {given.device}, {given.threads} threads, {given.repeats} repeats")
    for setting in SETTINGS:
        if given.only and given.only not in setting.name:
            continue
        slow, fast = steps(setting, given.device)
        serves = bool(code_for(PRESETS[setting.space], torch.device(given.device)))
        ways = [True, False] if serves and library.available() else [False]
        times: list[list[tuple[float, float]]] = []
        for _ in range(given.repeats + 1):
            row = [seconds(slow, given.device)]
            for compiled in ways:
                with kernels(compiled):
                    row.append(seconds(fast, given.device))
            times.append(row)
        times = times[1:]  # the first is to warm up
        memory = [peak(setting, 0, given.device, given.threads)]
        memory += [peak(setting, 1, given.device, given.threads, compiled=compiled) for compiled in ways]
        print(f"{setting.name}")
        print(f"  textbook {_median(row[0][0] for row in times):.3f} s, {memory[0]:.0f} MiB")
        print(f"  batch {loader(setting, given.device):.4f} s")
        for place, compiled in enumerate(ways, start=1):
            took = _median(row[place][0] for row in times)
            print(f"  supernet{', compiled kernels' if compiled else ''}: {took:.3f} s")
            for clock, name in enumerate(("time", "processors")):
                ratios = sorted(row[0][clock] / row[place][clock] for row in times)
                print(f"    ratio by {name} {statistics.median(ratios):.2f}  [{ratios[0]:.2f}, {ratios[-1]:.2f}]")
            print(f"    peak memory {memory[place]:.0f} MiB, share {memory[place] / memory[0]:.2f}")
        exact, single = (differences(setting, given.device, dtype) for dtype in (torch.float64, torch.float32))
        print(f"  float64: outputs {exact[0]:.1e}, gradients {exact[1]:.1e}")
        print(f"  float32: outputs {single[0]:.1e}, gradients {single[1]:.1e}, median {single[2]:.1e}", flush=True)


if __name__ == "__main__":
    main()
