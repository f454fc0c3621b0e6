"""What INT8 saves and costs: size, latency and memory of quantised files beside their float32 files.

    python -m benchmarks.int8 [--turns 3] [--repeats 15] [--threads 1] [NETWORKS...]

Each file is measured as in an experiment, by a fresh process; the two files of a network are taken in turn, so that a
busy machine is as unkind to one as to the other. Weights are random: they change no speed. Prints the median of the
turns and their range.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from nas_steps.config.space import Network
from nas_steps.data.store import Meta
from nas_steps.export.convert import Deployed, save, write_onnx
from nas_steps.export.performance import BATCHES, measure
from nas_steps.export.quantise import quantise
from nas_steps.models.build import build
from nas_steps.spaces.mobile.efficientnet import B0

CELLS = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
#: name -> architecture, side of its images
NETWORKS = {
    "cells": (CELLS, 32),
    "resnet20": ("resnet20", 32),
    "mobilenet_v3_small": ("mobilenet_v3_small", 224),
    "efficientnet_b0": (B0, 224),
}


def write(name: str, folder: Path) -> dict[str, Path]:
    """Both files of a network."""
    architecture, side = NETWORKS[name]
    meta = Meta(tuple(map(str, range(10))), {}, (3, side, side), (0.5,) * 3, (0.25,) * 3, "", {})
    torch.manual_seed(0)
    network = build(architecture, Network(channels=16, cells=5), inputs=3, classes=10, side=side)
    files = {precision: folder / f"{precision}.onnx" for precision in ("float32", "int8")}
    write_onnx(files["float32"], Deployed(network, meta, side).eval(), meta, 18, {})
    images = np.random.default_rng(0).integers(0, 256, (16, *meta.shape), dtype=np.uint8)
    save(files["int8"], quantise(files["float32"], images), {})
    return files


def spelled(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} [{min(values):.3g}, {max(values):.3g}]"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(NETWORKS)}", default=list(NETWORKS)
    )
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--repeats", type=int, default=15)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    print("| network | file | kB | ms, 1 image | ms, 32 images | MB, 1 | MB, 32 |\n|---|---|---|---|---|---|---|")
    for name in given.networks:
        with TemporaryDirectory() as folder:
            files = write(name, Path(folder))
            turns = [
                {precision: measure(file, given.repeats, given.threads) for precision, file in files.items()}
                for _ in range(given.turns)
            ]
            for precision, file in files.items():
                cells = [spelled([turn[precision][f"latency_{batch}_ms"] for turn in turns]) for batch in BATCHES]
                cells += [spelled([turn[precision][f"memory_{batch}_mb"] for turn in turns]) for batch in BATCHES]
                print(
                    f"| {name} | {precision} | {file.stat().st_size / 1e3:.0f} | " + " | ".join(cells) + " |",
                    flush=True,
                )
            for batch in BATCHES:
                times = [turn["float32"][f"latency_{batch}_ms"] / turn["int8"][f"latency_{batch}_ms"] for turn in turns]
                print(f"{name}, {batch} images: INT8 is {spelled(times)} times as fast")


if __name__ == "__main__":
    main()
