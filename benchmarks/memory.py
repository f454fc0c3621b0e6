"""How well memory and file size are foretold from the blocks of a space: random networks, predicted and measured.

    python -m benchmarks.memory [--batch 4] [--side 64] [--networks 10] [--files 2] [SPACES...]

Memory is measured in a fresh process by onnxruntime on the CPU, without its arena, which would round it up: how far the
resident memory rises in the second pass, and the images. It needs Linux. Files are those that the export writes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from torch import nn

from nas_steps.config.space import Network
from nas_steps.export.convert import Deployed, write_onnx
from nas_steps.models.blocks import whole
from nas_steps.models.latency import images, settle, write_module
from nas_steps.spaces.cells import presets as cells
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, counted
from nas_steps.spaces.mobile import presets as mobile

NETWORK = Network(channels=16, cells=6)
#: freed memory goes back to the system at once
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "4096", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}
PASS = """
import sys, numpy, onnxruntime
def status(key):
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith(key + ":")).split()[1]) * 1024
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.enable_cpu_mem_arena = options.enable_mem_pattern = False
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
entry = session.get_inputs()[0]
image = numpy.random.rand(*entry.shape).astype("float32")
session.run(None, {entry.name: image})
open("/proc/self/clear_refs", "w").write("5")  # forget the peak so far
before = status("VmRSS")
session.run(None, {entry.name: image})
print((status("VmHWM") - before + image.nbytes) / 1e6)
"""


def measured_mb(network: nn.Module, batch: int, channels: int, side: int) -> float:
    """Megabytes of the feature maps of a forward pass, the images among them."""
    settle(network, channels, side)
    with TemporaryDirectory() as folder:
        file = Path(folder, "network.onnx")
        write_module(network, images(batch, channels, side), file)
        return float(subprocess.check_output([sys.executable, "-c", PASS, file], env=os.environ | AT_ONCE))


def file_mb(network: nn.Module, channels: int, side: int) -> float:
    """Megabytes of the file that the export writes, without the model's properties."""
    meta: Any = SimpleNamespace(mean=[0.5] * channels, std=[0.2] * channels, shape=(channels, side, side))
    with TemporaryDirectory() as folder:
        file = Path(folder, "network.onnx")
        write_onnx(file, Deployed(network.eval(), meta, side).eval(), meta, 20, {})
        return file.stat().st_size / 1e6


def main() -> None:
    presets: dict[str, Any] = {**mobile.PRESETS, **cells.PRESETS}
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("spaces", nargs="*", default=["mobile_small", "efficientnet", "ofa_mbv3", "small"])
    for name, default in (("batch", 4), ("side", 64), ("networks", 10), ("files", 2)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    shape = Shape(3, given.side, 10)
    print("space: first network's MB predicted against measured, mean error, largest error; of activations | of files")
    for name in given.spaces:
        space = presets[name]
        blocks = blocks_of(space, NETWORK)
        table = counted(blocks, shape, given.batch)
        drawn = [space.sample(Random(seed)) for seed in range(given.networks)]
        costs = [table.costs(one) for one in drawn]
        memory = [measured_mb(whole(blocks, one, shape), given.batch, 3, given.side) for one in drawn]
        files = [file_mb(whole(blocks, one, shape), 3, given.side) for one in drawn[: given.files]]
        text = f"{name}: {costs[0].activations_mb:.2f} against {memory[0]:.2f}, "
        text += spelled([one.activations_mb / other - 1 for one, other in zip(costs, memory, strict=True)])
        if files:
            text += f" | {costs[0].file_mb:.3f} against {files[0]:.3f}, "
            text += spelled([one.file_mb / other - 1 for one, other in zip(costs, files, strict=False)])
        print(text, flush=True)


def spelled(errors: list[float]) -> str:
    return f"{100 * statistics.fmean(errors):+.1f} %, {100 * max(errors, key=abs):+.1f} %"


if __name__ == "__main__":
    main()
