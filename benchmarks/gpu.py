"""What a GPU makes of searches and trainings: seconds of steps, memory, processes side by side, and exactness.

    python -m benchmarks.gpu [--output gpu.json] [--only NAME ...] [--minutes 7] [--dry]

It measures in under 8 minutes on one GPU, prints each part as soon as it is known, and writes all as JSON. Ways are
measured in turns in one process: medians, least and most over the turns. A part that fails is told with its error, and
the script then ends with status 1; a part that would begin too late is told as skipped. `--dry` runs the same with tiny
networks on the CPU, where nothing is recorded as a graph: its seconds mean nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.textbook import Textbook, copy
from nas_steps.config.data import Data
from nas_steps.config.recipe import Recipe
from nas_steps.config.section import Augment, ResizedCrop
from nas_steps.config.space import Network, Space, filled
from nas_steps.config.strategies import Darts, DartsSecondOrder, Drnas, Gdas, Gradient, PcDarts, SdartsAdv
from nas_steps.data import batches as resident
from nas_steps.data.batches import DeviceImages
from nas_steps.data.prepare import prepare as prepare_data
from nas_steps.data.settings import DataSettings
from nas_steps.models.build import build
from nas_steps.models.cells import by_device
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.ledger import Cost
from nas_steps.search.darts.learner import DartsLearner, learn_only, learner_of
from nas_steps.search.darts.loop import darts
from nas_steps.search.settings import DartsSettings
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.mobile.efficientnet import B0
from nas_steps.training.checkpoint import Checkpoint, Checkpoints, State
from nas_steps.training.devices import describe, prepare
from nas_steps.training.networks import load_images, train_network
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import SupervisedLearner

CLASSES = 10
#: optimiser steps of 50 epochs of 25,000 images in batches of 64 (Liu et al. 2019, section A.1.1)
PAPER_STEPS = 19_550
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Sizes:
    """How large the parts are. The first values are those of the paper, or of ImageNet."""

    space: str = "darts"
    channels: int = 16
    cells: int = 8
    batch: int = 64
    side: int = 32
    #: turns of the ways, and steps of a turn
    turns: int = 5
    steps: int = 10
    #: steps before the first turn: a recording is the fourth
    warm: int = 6
    seeds: tuple[int, ...] = (1, 2, 4, 8)
    epochs: int = 6
    digits: int = 1000
    photos: int = 4096
    photo_side: int = 224
    photo_batch: int = 256
    photo_seconds: float = 8.0
    network: str = B0


DRY = Sizes(
    space="small",
    channels=4,
    cells=3,
    batch=4,
    side=8,
    turns=1,
    steps=1,
    warm=1,
    seeds=(1, 2),
    epochs=1,
    digits=60,
    photos=8,
    photo_side=32,
    photo_batch=4,
    photo_seconds=0.0,
    network="stem_k3_s2_c8/mb_k3_s2_e2_c8/head_c16",
)


@dataclass(frozen=True)
class Bench:
    device: torch.device
    sizes: Sizes
    dry: bool

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    def wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        self.wait()
        began = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - began

    def allocated(self, *, most: bool = False) -> int:
        """Bytes of torch on the GPU, now or at most since `forget_peak`; 0 on a CPU."""
        if not self.cuda:
            return 0
        return torch.cuda.max_memory_allocated(self.device) if most else torch.cuda.memory_allocated(self.device)

    def forget_peak(self) -> None:
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)


# ---------------------------------------------------------------------------------------------- search steps


def pairs(bench: Bench, count: int = 4, dtype: torch.dtype = torch.float32) -> list[Pair]:
    """Make batches of noise that stay on the device, channels last as those of the house."""
    sizes, generator = bench.sizes, torch.Generator().manual_seed(1)
    shape = (sizes.batch, 3, sizes.side, sizes.side)
    made = []
    for _ in range(count):
        images = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        labels = torch.randint(CLASSES, (sizes.batch,), generator=generator)
        made.append((images.contiguous(memory_format=torch.channels_last).to(bench.device), labels.to(bench.device)))
    return made


def supernet_of(bench: Bench, settings: Gradient, dtype: torch.dtype = torch.float32) -> Supernet:
    torch.manual_seed(0)
    kind = learner_of(settings.kind)
    network = Network(channels=bench.sizes.channels, cells=bench.sizes.cells)
    net = Supernet(
        PRESETS[bench.sizes.space],
        network,
        inputs=3,
        classes=CLASSES,
        k=kind.k(settings),
        edge_weights=kind.weighs_edges,
    )
    return net.to(bench.device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]


def learner(bench: Bench, settings: Gradient, given: Sequence[Pair]) -> DartsLearner:
    made = learner_of(settings.kind)(supernet_of(bench, settings, given[0][0].dtype), settings)

    def valid() -> Iterator[Pair]:
        while True:
            yield from reversed(given)

    made.begin(1, 0, valid())
    return made


def stepper(bench: Bench, settings: Gradient, given: Sequence[Pair]) -> Callable[[], None]:
    """Return a whole search step of the house: alphas and weights, their optimisers included."""
    made, number = learner(bench, settings, given), 0

    def step() -> None:
        nonlocal number
        made(*given[number % len(given)], 0.0)
        number += 1

    return step


def textbook(bench: Bench, given: Sequence[Pair]) -> Callable[[], None]:
    """Return a whole search step as in the paper's code: all gradients at both steps, torch's usual optimisers."""
    torch.manual_seed(0)
    network = Network(channels=bench.sizes.channels, cells=bench.sizes.cells)
    model = Textbook(PRESETS[bench.sizes.space], network, inputs=3, classes=CLASSES).to(bench.device)
    alphas = list(model.alphas.values())
    its = {id(alpha) for alpha in alphas}
    weights = [one for one in model.parameters() if id(one) not in its]
    adam = torch.optim.Adam(alphas, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    sgd = torch.optim.SGD(weights, lr=0.025, momentum=0.9, weight_decay=3e-4)
    usual = [(images.contiguous(), labels) for images, labels in given]
    number = 0

    def step() -> None:
        nonlocal number
        for (images, labels), optimizer in ((usual[-1 - number % len(usual)], adam), (usual[number % len(usual)], sgd)):
            model.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            if optimizer is sgd:
                nn.utils.clip_grad_norm_(weights, 5)
            optimizer.step()
        number += 1

    return step


def settings_of(bench: Bench, kind: type[Gradient], **changes: Any) -> Gradient:
    alike = {"epochs": 50, "batch_size": bench.sizes.batch, "learning_rate": 0.025, "alpha_learning_rate": 3e-4}
    return kind(**{**alike, **changes})


def in_turns(bench: Bench, ways: Mapping[str, Callable[[], Callable[[], None]]]) -> dict[str, dict[str, float]]:
    """Return by way the seconds of a step over turns, and MB of the GPU that its networks and a step take at most."""
    steps, figures, sizes = {}, {}, bench.sizes
    for name, make in ways.items():
        bench.forget_peak()
        idle = bench.allocated()
        steps[name] = make()
        for _ in range(sizes.warm):
            steps[name]()
        bench.wait()
        figures[name] = {"peak_mb": round((bench.allocated(most=True) - idle) / 1e6, 1)}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(sizes.turns):
        for name, step in steps.items():
            found[name].append(bench.seconds(lambda step=step: [step() for _ in range(sizes.steps)]) / sizes.steps)  # type: ignore[misc]
    for name, seconds in found.items():
        figures[name] |= {
            "seconds": statistics.median(seconds),
            "least": min(seconds),
            "most": max(seconds),
        }
    return figures


def first_order(bench: Bench) -> dict[str, Any]:
    """First-order DARTS of the paper, by the textbook and by the house."""
    given = pairs(bench)
    ways: dict[str, Callable[[], Callable[[], None]]] = {"textbook": lambda: textbook(bench, given)}
    for name, changes in {
        "eager": {"graphs": False},
        "graphed": {},
        "bf16": {"graphs": False, "precision": "bfloat16"},
        "graphed_bf16": {"precision": "bfloat16"},
    }.items():
        ways[name] = lambda changes=changes: stepper(bench, settings_of(bench, Darts, **changes), given)  # type: ignore[misc]
    ways["graphed_not_deterministic"] = lambda: within(
        lambda: fastest(bench), stepper(bench, settings_of(bench, Darts), given)
    )
    figures: dict[str, Any] = in_turns(bench, ways)
    base = figures["textbook"]["seconds"]
    for one in figures.values():
        one["times_faster"] = base / one["seconds"]
        one["minutes_of_50_epochs"] = one["seconds"] * PAPER_STEPS / 60
    return figures


def within(surroundings: Callable[[], AbstractContextManager[None]], step: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        with surroundings():
            step()

    return run


@contextmanager
def fastest(bench: Bench) -> Iterator[None]:
    """Compute as with `deterministic: false`."""
    prepare(bench.device.type, 1, deterministic=False)
    try:
        yield
    finally:
        prepare(bench.device.type, 1)


@contextmanager
def computed(bench: Bench, ways: by_device.Ways) -> Iterator[None]:
    """Compute in the ways of another device."""
    usual = by_device.WAYS[bench.device.type]
    by_device.WAYS[bench.device.type] = ways
    try:
        yield
    finally:
        by_device.WAYS[bench.device.type] = usual


def kernels(bench: Bench) -> dict[str, Any]:
    """First-order DARTS, replayed, with each choice of `by_device.CUDA` as on a CPU, and all of them."""
    given, usual, other = pairs(bench), by_device.CUDA, by_device.CPU
    ways = {"usual": usual, "as on a CPU": other}
    ways |= {name: usual._replace(**{name: value}) for name, value in other._asdict().items()}

    def made(chosen: by_device.Ways) -> Callable[[], None]:
        return within(lambda: computed(bench, chosen), stepper(bench, settings_of(bench, Darts), given))

    return in_turns(bench, {name: lambda chosen=chosen: made(chosen) for name, chosen in ways.items()})  # type: ignore[misc]


def other_kinds(bench: Bench) -> dict[str, Any]:
    """Steps of other kinds, eager and, if they can be, replayed."""
    given = pairs(bench)
    kinds = (DartsSecondOrder, SdartsAdv, Gdas, Drnas, PcDarts)
    figures = {}
    for kind in kinds:
        ways = {}
        for name, graphs in (("eager", False), ("graphed", True)):
            settings = settings_of(bench, kind, graphs=graphs)
            if graphs and not learner_of(settings.kind).replayable:
                continue
            ways[name] = lambda settings=settings: stepper(bench, settings, given)
        figures[settings.kind] = in_turns(bench, ways)
    return figures


# ------------------------------------------------------------------------------------------- side by side


@contextmanager
def digits(bench: Bench) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        count = bench.sizes.digits
        data = Data(source="digits", max_train=count, max_valid=count // 3, max_test=count // 3)
        prepare_data(DataSettings(seed=0, data=data), Path(folder))
        yield folder


def worker(bench: Bench, *given: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", bench.device.type]
    command += [*(["--dry"] if bench.dry else []), "--worker", *given]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def train_digits(bench: Bench, folder: str, seed: int) -> None:
    """Train a network of the first experiment's size when a line comes in, and tell that it is ready before."""
    images = load_images(folder, bench.device)
    architecture = str(PRESETS["small"].sample(Random(0)))
    network, recipe = Network(channels=8, cells=3), Recipe(epochs=bench.sizes.epochs, warmup_epochs=0.5)

    def once(epochs: int) -> None:
        short = recipe.model_copy(update={"epochs": epochs})
        with Progress(epochs, "digits") as progress:
            train_network(architecture, network, short, images, seed=seed, progress=progress)

    once(1)
    bench.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    once(recipe.epochs)
    bench.wait()
    print("done", flush=True)


def side_by_side(bench: Bench) -> dict[str, Any]:
    """Seeds of a digits network in processes that share the GPU."""
    figures: dict[str, Any] = {}
    with digits(bench) as folder:
        for count in bench.sizes.seeds:
            workers = [worker(bench, "digits", folder, str(seed)) for seed in range(count)]
            for one in workers:
                _expect(one, "ready")
            began = time.perf_counter()
            for one in workers:
                assert one.stdin is not None
                one.stdin.write("go\n")
                one.stdin.flush()
            for one in workers:
                _expect(one, "done")
            seconds = time.perf_counter() - began
            for one in workers:
                one.communicate()
            figures[str(count)] = {"seconds": seconds, "trainings_a_second": count / seconds}
    first = figures[str(bench.sizes.seeds[0])]["trainings_a_second"]
    for one in figures.values():
        one["times_one"] = one["trainings_a_second"] / first
    return figures


def _expect(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise RuntimeError(f"a process ended with status {process.wait()} before it was {word}")


# ---------------------------------------------------------------------------------------------- photos


def photos(bench: Bench) -> dict[str, Any]:
    """EfficientNet-B0 on stored photos through the house's loop, and on the same batch again and again."""
    sizes = bench.sizes
    crop, flip = ResizedCrop(), {"flip": True}
    ways: dict[str, tuple[bool, Augment]] = {
        "resident": (True, Augment()),
        "resident, crop and flip": (True, Augment(resized_crop=crop, **flip)),
        "read ahead": (False, Augment()),
        "read ahead, crop and flip": (False, Augment(resized_crop=crop, **flip)),
        "read ahead, crop, flip and RandAugment": (False, Augment(resized_crop=crop, randaugment=2, **flip)),
    }
    figures: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        file, shape = Path(folder, "images.npy"), (sizes.photos, 3, sizes.photo_side, sizes.photo_side)
        stored = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
        random = np.random.default_rng(0)
        for first in range(0, sizes.photos, 256):
            part = stored[first : first + 256]
            part[:] = random.integers(256, size=part.shape, dtype=np.uint8)
        labels = random.integers(CLASSES, size=sizes.photos)
        step = photo_learner(bench)
        batch = next(photo_images(bench, stored, labels, stays=True).batches(sizes.photo_batch, shuffle=False))
        for _ in range(3 if bench.cuda else 1):
            step(*batch, 0.5)
        figures["one batch again and again"] = _rate(bench, step, lambda: iter([batch] * 8))
        for name, (stays, augment) in ways.items():
            images = photo_images(bench, stored, labels, stays=stays)

            def passes(images: DeviceImages = images, augment: Augment = augment) -> Iterator[Pair]:
                return images.batches(sizes.photo_batch, augment=augment, shuffle=True, seed=1)

            for one, its in passes():
                step(one, its, 0.5)
                break
            figures[name] = _rate(bench, step, passes)
    most = figures["one batch again and again"]["images_a_second"]
    for one in figures.values():
        one["share_of_most"] = one["images_a_second"] / most
    return figures


def photo_images(bench: Bench, stored: np.ndarray, labels: np.ndarray, *, stays: bool) -> DeviceImages:
    before = resident.GPU_SHARE, resident.CPU_LIMIT
    try:
        if not stays:
            resident.GPU_SHARE, resident.CPU_LIMIT = 0.0, 0
        return DeviceImages(stored, labels, (0.5,) * 3, (0.25,) * 3, bench.device)
    finally:
        resident.GPU_SHARE, resident.CPU_LIMIT = before


def photo_learner(bench: Bench) -> SupervisedLearner:
    sizes = bench.sizes
    torch.manual_seed(0)
    network = Network(channels=8, cells=3)
    model = build(sizes.network, network, inputs=3, classes=CLASSES, side=sizes.photo_side)
    model = model.to(bench.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    recipe = Recipe(epochs=2, batch_size=sizes.photo_batch, precision="bfloat16" if bench.cuda else "float32")
    return SupervisedLearner(model, recipe, sizes.photos // sizes.photo_batch)


def _rate(bench: Bench, step: SupervisedLearner, batches: Callable[[], Iterator[Pair]]) -> dict[str, float]:
    """Learn whole passes for a while; a pass is long enough to fill and empty what reads ahead."""
    seen, spent = 0, 0.0
    while seen == 0 or spent < bench.sizes.photo_seconds / 2:

        def whole() -> None:
            nonlocal seen
            for images, labels in batches():
                step(images, labels, 0.5)
                seen += len(labels)

        spent += bench.seconds(whole)
    return {"images_a_second": seen / spent, "seconds": spent, "images": seen}


# ------------------------------------------------------------------------------------------- exactness


def learnt(bench: Bench, settings: Gradient, steps: int) -> tuple[list[Tensor], bool]:
    """Return losses, hits and all weights after steps, and whether the last step was replayed."""
    given = pairs(bench)
    made = learner(bench, settings, given)
    torch.manual_seed(1)
    told = [one for number in range(steps) for one in made(*given[number % len(given)], 0.0)]
    tensors = [*told, *(one.detach().clone() for one in made.supernet.state_dict().values())]
    return tensors, made.replays is not None and made.replays.recorded


def apart(some: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """The largest difference, relative to each tensor's largest entry."""
    found = 0.0
    for one, other in zip(some, others, strict=True):
        one, other = one.double().cpu(), other.double().cpu()
        found = max(found, ((one - other).abs().max() / other.abs().max().clamp_min(1e-12)).item())
    return found


def compared(some: Sequence[Tensor], others: Sequence[Tensor]) -> dict[str, Any]:
    equal = all(torch.equal(one, other) for one, other in zip(some, others, strict=True))
    return {"equal": equal, "apart": apart(some, others)}


def equality(bench: Bench) -> dict[str, Any]:
    """Whether replays are the eager steps, whether a search can be repeated bit by bit, and how far a CPU is away."""
    figures: dict[str, Any] = {"graph_is_eager": {}, "repeated": {}}
    steps = bench.sizes.warm
    for kind in (Darts, DartsSecondOrder, SdartsAdv, Drnas, PcDarts):
        eager = settings_of(bench, kind, graphs=False)
        (first, _), (replayed, recorded), (again, _) = (
            learnt(bench, settings, steps) for settings in (eager, settings_of(bench, kind), eager)
        )
        figures["graph_is_eager"][eager.kind] = {**compared(replayed, first), "recorded": recorded}
        figures["repeated"][eager.kind] = compared(again, first)
    small = Bench(bench.device, DRY, dry=True)
    figures["cpu"] = {
        str(dtype).removeprefix("torch."): apart(gradients(small, dtype), gradients(_on_cpu(small), dtype))
        for dtype in (torch.float64, torch.float32)
    }
    figures["textbook"] = apart(*beside_textbook(small))
    return figures


def _on_cpu(bench: Bench) -> Bench:
    return Bench(torch.device("cpu"), bench.sizes, bench.dry)


def gradients(bench: Bench, dtype: torch.dtype) -> list[Tensor]:
    """The gradients of the alphas and of the weights of a first-order step."""
    given = pairs(bench, dtype=dtype)
    made = learner(bench, settings_of(bench, Darts), given)
    made.supernet.train()
    found = []
    for parameters, others in ((made.alphas, made.weights), (made.weights, made.alphas)):
        learn_only(parameters, frozen=others)
        made.micro_batches.backward(parameters, *given[0], made.loss_of(lambda: made.mix(None), 0.0))
        found += [torch.zeros_like(one) if one.grad is None else one.grad.clone() for one in parameters]
    return found


def beside_textbook(bench: Bench) -> tuple[list[Tensor], list[Tensor]]:
    """The logits and the gradients of the alphas in double precision: the house's, the textbook's."""
    ((images, labels), *_) = pairs(bench, dtype=torch.float64)
    fast = supernet_of(bench, settings_of(bench, Darts), torch.float64)
    network = Network(channels=bench.sizes.channels, cells=bench.sizes.cells)
    slow = Textbook(PRESETS[bench.sizes.space], network, inputs=3, classes=CLASSES).to(bench.device, torch.float64)
    copy(fast, slow)
    found: list[list[Tensor]] = []
    for model in (fast, slow):
        logits = model.train()(images)
        F.cross_entropy(logits, labels).backward()
        found.append([logits.detach(), *(one.grad for one in model.alphas.values() if one.grad is not None)])
    return found[0], found[1]


class Deadly(Checkpoint):
    """Kills the process once it was written a number of times."""

    left = 0

    def write(self, state: State) -> None:
        super().write(state)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def search(bench: Bench, folder: str, checkpoint: Checkpoint | None) -> str:
    """Search a small space on digits; return the sha256 of the alphas and the candidates."""
    strategy = Darts(epochs=2, batch_size=8 if bench.dry else 32)
    settings = DartsSettings(
        seed=0,
        threads=1,
        space=filled(Space(preset="small")),
        network=Network(channels=4, cells=3),
        strategy=strategy,
    )
    images = load_images(folder, bench.device)
    with Progress(strategy.epochs, "search") as progress:
        result = darts(settings, images, seed=0, progress=progress, checkpoint=checkpoint)
    return hashlib.sha256(json.dumps([result.alphas, result.candidates]).encode()).hexdigest()


def killed_search(bench: Bench, folder: str, checkpoints: str, writes: int) -> None:
    checkpoint = Deadly(Checkpoints(Path(checkpoints), {}, Cost("search", "gpu"), 0.0), "killed")
    checkpoint.left = writes
    search(bench, folder, checkpoint)


def kill_and_resume(bench: Bench) -> dict[str, Any]:
    """A search that is killed in its second epoch and goes on, and the same search unbroken."""
    with digits(bench) as folder, TemporaryDirectory() as checkpoints:
        unbroken = search(bench, folder, None)
        steps = load_images(folder, torch.device("cpu")).train.steps(8 if bench.dry else 32, shuffle=True)
        process = worker(bench, "search", folder, checkpoints, str(steps + max(1, steps // 2)))
        process.communicate()
        kept = Checkpoints(Path(checkpoints), {}, Cost("search", "gpu"), 1e9).of("killed")
        state = kept.read()
        position = None if state is None else [state["position"]["epoch"], state["position"]["batches"]]
        return {
            "killed_by": -process.returncode,
            "goes_on_from": position,
            "equal": position is not None and search(bench, folder, kept) == unbroken,
        }


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "first_order": first_order,
    "kernels": kernels,
    "other_kinds": other_kinds,
    "equality": equality,
    "kill_and_resume": kill_and_resume,
    "photos": photos,
    "side_by_side": side_by_side,
}


def machine(bench: Bench) -> dict[str, Any]:
    return {
        "device": describe(bench.device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "dry": bench.dry,
    }


def measured(bench: Bench, wanted: Sequence[str], minutes: float) -> dict[str, Any]:
    """Measure the parts in their order; none begins after the minutes."""
    began, told = time.monotonic(), {"machine": machine(bench)}
    for name, part in PARTS.items():
        if wanted and name not in wanted:
            continue
        start = time.monotonic()
        if start - began > 60 * minutes:
            told[name] = {"skipped": f"{(start - began) / 60:.1f} of {minutes:g} minutes were spent"}
            continue
        try:
            told[name] = part(bench)
        except Exception as error:  # noqa: BLE001 - the others are measured all the same; the exit status tells
            told[name] = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        told[name]["part_seconds"] = round(time.monotonic() - start, 2)
        print(f"{name}: {json.dumps(told[name], indent=1)}", flush=True)
    return told


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--output", type=Path, help="JSON file of all figures")
    options.add_argument("--only", nargs="+", default=[], choices=list(PARTS), help="parts to measure")
    options.add_argument("--minutes", type=float, default=7.0, help="after which no other part begins")
    options.add_argument("--device", choices=("cpu", "cuda"), help="cuda, or the CPU if --dry")
    options.add_argument("--dry", action="store_true", help="tiny sizes, to see that all parts run")
    options.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    given = options.parse_args()
    device = prepare(given.device or ("cpu" if given.dry else "cuda"), 1)
    bench = Bench(device, DRY if given.dry else Sizes(), given.dry)
    if given.worker:
        name, *more = given.worker
        if name == "digits":
            train_digits(bench, more[0], int(more[1]))
        else:
            killed_search(bench, more[0], more[1], int(more[2]))
        return
    told = measured(bench, given.only, given.minutes)
    if given.output is not None:
        given.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if failed := [name for name, part in told.items() if "error" in part]:
        sys.exit(f"these parts failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
