"""The latency of a space's blocks, measured, and how well their sums predict that of whole networks."""

import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import torch
from torch import nn

from nas_steps.config.constraints import Latency
from nas_steps.models.blocks import modules, whole
from nas_steps.models.latency import Pass, agreement, medians, onnxruntime_pass, settle, torch_pass
from nas_steps.spaces.cells.costs import BASE
from nas_steps.spaces.costs import Blocks, Shape
from nas_steps.spaces.mobile.costs import STEM
from nas_steps.spaces.protocol import Space

#: number of whole networks that predictions are fitted to, and of further ones that they are compared with
FITTED, COMPARED = 8, 12


def runtime_of(settings: Latency, device: torch.device) -> str:
    """Resolve `auto`: torch on a GPU, else onnxruntime."""
    if settings.runtime != "auto":
        return settings.runtime
    return "onnxruntime" if device.type == "cpu" else "torch"


def uses_device(settings: Latency, device: str) -> bool:
    """Whether the passes may run on the config's `device` rather than by onnxruntime on the CPU."""
    return settings.runtime == "torch" or (settings.runtime == "auto" and device != "cpu")


def measure(
    space: Space, blocks: Blocks, shape: Shape, settings: Latency, device: torch.device, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the milliseconds of each block, and the record of the measurement with the quality of predictions."""
    runtime = runtime_of(settings, device)
    random = Random(seed)
    began = time.perf_counter()

    def made(module: nn.Module, channels: int, side: int) -> Pass:
        image = torch.empty(settings.batch, channels, side, side)
        image.normal_(generator=torch.Generator().manual_seed(0))
        settle(module, channels, side)
        if runtime == "onnxruntime":
            return onnxruntime_pass(module, image, settings.threads)
        return torch_pass(module, image, device)

    placed = {name: modules(blocks, name, shape) for name in blocks.names()}
    different = {one.key: one for several in placed.values() for one in several}
    text = f"{len(placed)} blocks are {len(different)} different modules: each passes by {runtime}"
    print(f"{text}, {settings.repeats} times after {settings.warmup}", flush=True)
    drawn = [space.sample(random) for _ in range(FITTED + COMPARED)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        passes = [
            made(nn.Identity(), 1, 1),
            *(made(one.build(), one.channels, one.side) for one in different.values()),
            *(made(whole(blocks, one, shape), shape.inputs, shape.side) for one in drawn),
        ]
    prepared = time.perf_counter() - began
    print(f"{len(passes)} modules and networks are ready after {prepared:.1f} s", flush=True)
    call, *taken = medians(passes, repeats=settings.repeats, warmup=settings.warmup)
    networks = taken[len(different) :]

    alone = {key: max(0.0, one - call) for key, one in zip(different, taken, strict=False)}
    latencies = {name: math.fsum(alone[one.key] for one in several) for name, several in placed.items()}
    latencies = fitted(latencies, _sums(blocks, latencies, drawn[:FITTED]), networks[:FITTED], call)
    predictions = _sums(blocks, latencies, drawn[FITTED:])
    validation = agreement(predictions, networks[FITTED:])
    mean, largest = validation["mean_absolute_error_percent"], validation["largest_error_percent"]
    correlation = validation["rank_correlation"]
    print(
        f"latency of {COMPARED} random networks, predicted against measured: mean absolute error {mean:.1f} %, largest "
        f"{largest:+.1f} %, rank correlation {'unknown' if correlation is None else f'{correlation:.2f}'}",
        flush=True,
    )
    compared = zip(map(str, drawn[FITTED:]), predictions, networks[FITTED:], strict=True)
    keys = ("architecture", "predicted_ms", "measured_ms")
    return latencies, {
        "runtime": runtime,
        "batch": settings.batch,
        "threads": settings.threads,
        "modules": len(different),
        "call_ms": call,
        # above the number of processors, other work spoils the figures
        "processors": os.cpu_count(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "prepare_seconds": prepared,
        "measure_seconds": time.perf_counter() - began - prepared,
        "validation": {**validation, "networks": [dict(zip(keys, one, strict=True)) for one in compared]},
    }


def fitted(
    latencies: Mapping[str, float], sums: Sequence[float], networks: Sequence[float], call: float
) -> dict[str, float]:
    """Fit the latencies of blocks, so that their sums (`sums` before) meet those of whole `networks`, all in ms.

    Modules are not as fast within a network as alone, and a network is called once (`call`). Mobile blocks are
    multiplied by the median factor of the networks; cells are fitted by a line whose constant is the base.
    """
    first = next(iter(latencies))
    # all networks have the first block, or one of the stems if they resize their images
    starts = [name for name in latencies if name == first or name.endswith(f"-{STEM}")]
    if BASE not in latencies:
        factor = statistics.median(one / (total + call) for one, total in zip(networks, sums, strict=True))
        added = factor * call
    else:
        slope = statistics.linear_regression(sums, networks).slope if len(set(sums)) > 1 else 1.0
        # noise can make the slope negative
        factor = slope if slope > 0 else 1.0
        added = max(0.0, statistics.fmean(networks) - factor * statistics.fmean(sums))
    return {name: factor * value + (added if name in starts else 0.0) for name, value in latencies.items()}


def _sums(blocks: Blocks, latencies: Mapping[str, float], architectures: Sequence[Any]) -> list[float]:
    return [math.fsum(latencies[name] for name in blocks.of(one)) for one in architectures]
