"""A large set of photos: how fast it is prepared, how long the training waits for it, how much memory both take.

    python -m benchmarks.large_set [--photos 200000] [--side 160] [--threads 2] [--steps 60] [--folder FOLDER]

Makes JPEG photos with a texture of their class (in a temporary folder, which is removed), then

1. decodes them alone (Pillow, `--threads` threads, no pixels kept) and prepares them by the step `data`, in turn for
   each of five parts, so that a busy machine is as unkind to one as to the other; then prepares the whole;
2. trains a small network on the whole with all images left in their file (CPU_LIMIT 0), whose pages are dropped from
   the system's cache before, and clocks each wait for a batch.

Needs some three times the bytes of the arrays on the disk, and torch for the second part.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from nas_steps.config.data import Data
from nas_steps.data.ahead import ahead
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.data.store import load_split, read_meta, split_file

CLASSES, PARTS, BATCH = 10, 5, 128
#: photos that a thread decodes at once
AT_ONCE = 16
#: seconds between two looks at the memory
TICK = 0.2


def make(folder: Path, numbers: range, side: int) -> None:
    """Write a photo for each number: a smooth scene in the colours of its class, its texture, and noise."""
    width = side * 4 // 3
    noise = np.random.default_rng(0).integers(-14, 15, (2 * side, width, 3), np.int16)
    rows, columns = np.ogrid[:side, :width]
    textures = [20 * np.sin((rows * (label % 4) + columns * (label // 4 + 1)) / 8) for label in range(CLASSES)]
    for number in numbers:
        random, label = np.random.default_rng(number), number % CLASSES
        scene = random.integers(30, 226, (6, 8, 3), np.uint8)
        scene[..., label % 3] //= 2
        image = np.asarray(Image.fromarray(scene).resize((width, side), Image.Resampling.BICUBIC), np.int16)
        first = random.integers(side)
        noisy = image + textures[label].astype(np.int16)[..., None] + noise[first : first + side]
        place = folder / f"part{number % PARTS}" / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
        pixels.save(place / f"{number}.jpg", quality=85)


def resident() -> float:
    """Return this process's memory in MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def watched(what: str) -> Iterator[None]:
    """Print the memory at a tenth, a half and the end of the block, and the most."""
    seen, done = [resident()], threading.Event()

    def look() -> None:
        while not done.wait(TICK):
            seen.append(resident())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    points = [seen[int(share * (len(seen) - 1))] for share in (0.1, 0.5, 1)]
    told = ", ".join(f"{value:.0f}" for value in points)
    print(
        f"memory of {what}: {seen[0]:.0f} MiB before, {told} at 10, 50 and 100 %, at most {max(seen):.0f}", flush=True
    )


def clocked(work: Callable[[], object]) -> np.ndarray:
    """Return the seconds of the clock and of the processor that some work takes; the latter not of other processes."""
    before = time.perf_counter(), time.process_time()
    work()
    return np.array((time.perf_counter() - before[0], time.process_time() - before[1]))


def decode(files: list[Path], threads: int) -> None:
    """Read and decode photos into arrays, and no more."""

    def some(start: int) -> None:
        for file in files[start : start + AT_ONCE]:
            with Image.open(file) as image:
                np.asarray(image)

    for _ in ahead(some, range(0, len(files), AT_ONCE), threads=threads, depth=4 * threads):
        pass


def prepared(source: Path, output: Path, side: int, threads: int) -> None:
    """Prepare a folder as the step does."""
    data = Data(source="folder", path=str(source), resolution=side, valid=0.1, test=0.1)
    with contextlib.redirect_stderr(io.StringIO()):
        prepare(DataSettings(seed=0, data=data), output, threads=threads)


def compare(photos: Path, folder: Path, given: argparse.Namespace) -> float:
    """Print the speeds of the decoder and of the step; return the decoder's processor time, seconds for all photos."""
    ratios, spent = [], 0.0
    for part in range(PARTS):
        source = photos / f"part{part}"
        files = sorted(source.rglob("*.jpg"))
        bare = clocked(lambda files=files: decode(files, given.threads))
        ours = clocked(lambda source=source: prepared(source, folder / "part", given.side, given.threads))
        bare = (bare + clocked(lambda files=files: decode(files, given.threads))) / 2
        shutil.rmtree(folder / "part")
        spent += bare[1]
        ratios.append(bare / ours)
        told = [f"{len(files) / one[0]:.0f} images/s ({1e6 * one[1] / len(files):.0f} us)" for one in (ours, bare)]
        print(f"part {part}: prepared {told[0]}, bare decoder {told[1]}", flush=True)
    for which, name in enumerate(("images per second", "images per second of the processor")):
        some = [ratio[which] for ratio in ratios]
        print(f"{name}: {statistics.median(some):.2f} [{min(some):.2f}, {max(some):.2f}] of the bare decoder's")
    return spent


def train(output: Path, given: argparse.Namespace) -> None:
    """Train for some steps on images that are read as they are needed; print the share of time that it waits."""
    import torch
    import torch.nn.functional as F

    import nas_steps.data.batches as module
    from nas_steps.config.section import Augment
    from nas_steps.config.space import Network
    from nas_steps.models.build import build
    from nas_steps.training.devices import prepare as prepare_device

    device = prepare_device("cpu", given.training_threads)
    waits: list[float] = []
    plain = module.raw_batches

    def waiting(*arguments: object) -> Iterator[torch.Tensor]:
        batches = plain(*arguments)  # type: ignore[arg-type]
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            waits.append(time.perf_counter() - started)
            if batch is None:
                return
            yield batch

    module.CPU_LIMIT = 0
    module.raw_batches = waiting  # type: ignore[assignment]
    meta, split = read_meta(output), load_split(output, "train")
    data = module.DeviceImages(split.images, split.labels, meta.mean, meta.std, device)
    with split_file(output, "train").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    torch.manual_seed(0)
    shape = {"inputs": 3, "classes": CLASSES, "side": given.side}
    model = build(given.network, Network(), **shape).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    seconds, losses = [], []
    with watched(f"the training on {split.images.nbytes / 1e9:.1f} GB"):
        last = time.perf_counter()
        passes = data.batches(BATCH, augment=Augment(flip=True, crop=8), shuffle=True, seed=0)
        for _, (images, labels) in zip(range(given.steps), passes, strict=False):
            loss = F.cross_entropy(model(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            now = time.perf_counter()
            seconds.append(now - last)
            last = now
        passes.close()
    waited, whole = sum(waits[1 : len(seconds)]), sum(seconds[1:])
    speed = BATCH * (len(seconds) - 1) / whole
    print(f"{given.network}, {len(seconds)} steps of {BATCH} at {given.side} pixels: {speed:.0f} images/s")
    print(f"waits for data {100 * waited / whole:.2f} % of the time (first batch {waits[0]:.2f} s)")
    print(f"loss {losses[0]:.2f} at first, {statistics.mean(losses[-5:]):.2f} in the last 5 steps")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=int, default=200_000)
    options.add_argument("--side", type=int, default=160)
    options.add_argument("--threads", type=int, default=2, help="that prepare")
    options.add_argument("--training-threads", type=int, default=2)
    options.add_argument("--steps", type=int, default=60)
    options.add_argument("--network", default="mobilenet_v3_small_x0.5")
    options.add_argument("--folder", help="where the temporary folder is made")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="large-set-", dir=given.folder) as name:
        folder = Path(name)
        started = time.perf_counter()
        ranges = [range(first, min(first + 500, given.photos)) for first in range(0, given.photos, 500)]
        with ProcessPoolExecutor(given.threads, get_context("spawn")) as pool:
            list(pool.map(make, [folder / "photos"] * len(ranges), ranges, [given.side] * len(ranges)))
        files = list((folder / "photos").rglob("*.jpg"))
        size = statistics.mean(file.stat().st_size for file in files[:1000])
        print(f"{len(files):,} photos of {size / 1000:.1f} kB in {time.perf_counter() - started:.0f} s", flush=True)
        bare = compare(folder / "photos", folder, given)
        # all parts under one roof: the parts become one folder of classes
        for part in range(PARTS):
            for source in (folder / "photos" / f"part{part}").iterdir():
                (folder / "all" / source.name).mkdir(parents=True, exist_ok=True)
                source.rename(folder / "all" / source.name / f"part{part}")
        with watched("the preparation"):
            took = clocked(lambda: prepared(folder / "all", folder / "whole", given.side, given.threads))
        speed, spent = len(files) / took[0], 1e6 * took[1] / len(files)
        print(f"the whole: {took[0]:.0f} s, {speed:.0f} images/s; {spent:.0f} us of the processor an image,")
        print(f"which is {bare / took[1]:.2f} of the bare decoder's speed", flush=True)
        train(folder / "whole", given)


if __name__ == "__main__":
    main()
