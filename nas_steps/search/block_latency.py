"""The latency of a space's blocks, measured, and how well their sums predict that of whole networks."""

import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import torch
from torch import nn

from nas_steps.config.constraints import Latency
from nas_steps.errors import UserError
from nas_steps.models.blocks import Module, modules, whole
from nas_steps.models.latency import Pass, agreement, images, medians, onnxruntime_pass, settle, torch_pass
from nas_steps.search.latency_table import AGAIN, KEY, LatencyTable
from nas_steps.spaces.cells.costs import BASE
from nas_steps.spaces.costs import Blocks, Shape
from nas_steps.spaces.mobile.costs import STEM
from nas_steps.spaces.protocol import Architecture, Space

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


class Planned(NamedTuple):
    """What is measured: the modules of each block, the different ones by key, and whole networks."""

    placed: dict[str, list[Module]]
    different: dict[str, Module]
    networks: list[Architecture]


def planned(space: Space, blocks: Blocks, shape: Shape, seed: int) -> Planned:
    """Draw the networks, and name the modules of all blocks."""
    random = Random(seed)
    placed = {name: modules(blocks, name, shape) for name in blocks.names()}
    different = {one.key: one for several in placed.values() for one in several}
    return Planned(placed, different, [space.sample(random) for _ in range(FITTED + COMPARED)])


def measure(
    space: Space, blocks: Blocks, shape: Shape, settings: Latency, device: torch.device, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the milliseconds of each block, and the record of the measurement with the quality of predictions."""
    runtime = runtime_of(settings, device)
    began = time.perf_counter()

    def made(module: nn.Module, channels: int, side: int) -> Pass:
        image = images(settings.batch, channels, side)
        settle(module, channels, side)
        if runtime == "onnxruntime":
            return onnxruntime_pass(module, image, settings.threads)
        return torch_pass(module, image, device)

    plan = planned(space, blocks, shape, seed)
    text = f"{len(plan.placed)} blocks are {len(plan.different)} different modules: each passes by {runtime}"
    print(f"{text}, {settings.repeats} times after {settings.warmup}", flush=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        passes = [
            made(nn.Identity(), 1, 1),
            *(made(one.build(), one.channels, one.side) for one in plan.different.values()),
            *(made(whole(blocks, one, shape), shape.inputs, shape.side) for one in plan.networks),
        ]
    prepared = time.perf_counter() - began
    print(f"{len(passes)} modules and networks are ready after {prepared:.1f} s", flush=True)
    call, *taken = medians(passes, repeats=settings.repeats, warmup=settings.warmup)
    alone = dict(zip(plan.different, taken, strict=False))
    latencies, validation = summed(blocks, plan, alone, taken[len(plan.different) :], call)
    return latencies, {
        "runtime": runtime,
        "batch": settings.batch,
        "threads": settings.threads,
        "modules": len(plan.different),
        "call_ms": call,
        # above the number of processors, other work spoils the figures
        "processors": os.cpu_count(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "prepare_seconds": prepared,
        "measure_seconds": time.perf_counter() - began - prepared,
        "validation": validation,
    }


def tabulated(
    space: Space, blocks: Blocks, shape: Shape, table: LatencyTable
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the same from what a kit measured on another device. Raises UserError if the table lacks something."""
    plan = planned(space, blocks, shape, 0)._replace(networks=[space.parse(text) for text, _ in table.networks])
    if missing := sorted(plan.different.keys() - table.blocks.keys()):
        raise UserError(f"{KEY}: the table lacks {len(missing)} blocks of the space, such as {missing[0]}; {AGAIN}")
    if len(plan.networks) <= FITTED:
        raise UserError(f"{KEY}: the table has {len(plan.networks)} whole networks, not {FITTED + COMPARED}; {AGAIN}")
    facts = table.facts
    where = f"{facts.get('processor') or facts.get('machine')} ({facts.get('system')})"
    print(f"{len(plan.different)} different modules as measured on {where}, {facts.get('measured_at')}", flush=True)
    latencies, validation = summed(blocks, plan, table.blocks, [one for _, one in table.networks], table.call)
    return latencies, {
        "runtime": f"onnxruntime {facts.get('onnxruntime')} ({facts.get('provider')})",
        "device": where,
        "elsewhere": True,
        "batch": int(facts["batch"]),
        "threads": int(facts["threads"]),
        "modules": len(plan.different),
        "call_ms": table.call,
        "processors": int(facts["processors"]) if facts.get("processors") else None,
        "load": [float(facts["load_before"])] if facts.get("load_before") else None,
        "facts": facts,
        "validation": validation,
    }


def summed(
    blocks: Blocks, plan: Planned, alone: Mapping[str, float], networks: Sequence[float], call: float
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the milliseconds of each block, fitted to the first `networks`, and how well the others are predicted.

    `alone` is the milliseconds of each module by key, `call` those of an empty call.
    """
    parts = {
        name: math.fsum(max(0.0, alone[one.key] - call) for one in several) for name, several in plan.placed.items()
    }
    latencies = fitted(parts, _sums(blocks, parts, plan.networks[:FITTED]), networks[:FITTED], call)
    rest = plan.networks[FITTED:]
    predictions = _sums(blocks, latencies, rest)
    validation = agreement(predictions, networks[FITTED:])
    mean, largest = validation["mean_absolute_error_percent"], validation["largest_error_percent"]
    correlation = validation["rank_correlation"]
    print(
        f"latency of {len(rest)} random networks, predicted against measured: mean absolute error {mean:.1f} %, "
        f"largest {largest:+.1f} %, rank correlation {'unknown' if correlation is None else f'{correlation:.2f}'}",
        flush=True,
    )
    compared = zip(map(str, rest), predictions, networks[FITTED:], strict=True)
    keys = ("architecture", "predicted_ms", "measured_ms")
    return latencies, {**validation, "networks": [dict(zip(keys, one, strict=True)) for one in compared]}


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
