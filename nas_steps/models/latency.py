"""Measure forward passes of onnxruntime or torch in turns, so that a slower machine affects all alike."""

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

#: makes one forward pass and returns its milliseconds
Pass = Callable[[], float]
#: passes in each turn before the timed one
LEAD = 2
#: images for the statistics of batch norms
SETTLED = 8


def medians(passes: Sequence[Pass], *, repeats: int, warmup: int) -> list[float]:
    """Return the median milliseconds over `repeats` turns after `warmup`; only the last pass of a turn is timed."""
    taken: list[list[float]] = [[] for _ in passes]
    for turn in range(warmup + repeats):
        for one, times in zip(passes, taken, strict=True):
            for _ in range(LEAD):
                one()
            milliseconds = one()
            if turn >= warmup:
                times.append(milliseconds)
    return [statistics.median(times) for times in taken]


def onnxruntime_pass(module: nn.Module, image: Tensor, threads: int) -> Pass:
    """Time forward passes of `module`, exported to ONNX, on (N, C, H, W) by `threads` CPU threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/module.onnx"
        write_module(module, image, file)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    # the operation `none` has no inputs
    given = {one.name: image.numpy() for one in session.get_inputs()}

    def run() -> float:
        start = time.perf_counter_ns()
        session.run(None, given)
        return (time.perf_counter_ns() - start) / 1e6

    return run


def write_module(module: nn.Module, image: Tensor, file: str | Path) -> None:
    """Write the forward pass of `module` on (N, C, H, W) as an ONNX file."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")
        # the exporter by torch.export takes seconds per block for the same optimised graph
        torch.onnx.export(module.eval(), (image,), str(file), input_names=["images"], dynamo=False)


def torch_pass(module: nn.Module, image: Tensor, device: torch.device) -> Pass:
    """Time forward passes of `module` on (N, C, H, W) by CUDA events on a GPU, else by the clock."""
    module, image = module.eval().to(device), image.to(device)

    @torch.inference_mode()
    def on_gpu() -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        module(image)
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))

    @torch.inference_mode()
    def elsewhere() -> float:
        start = time.perf_counter_ns()
        module(image)
        if device.type == "mps":
            torch.mps.synchronize()
        return (time.perf_counter_ns() - start) / 1e6

    return on_gpu if device.type == "cuda" else elsewhere


def images(batch: int, channels: int, side: int) -> Tensor:
    """Draw random images (batch, channels, side, side), always the same."""
    made = torch.empty(batch, channels, side, side)
    return made.normal_(generator=torch.Generator().manual_seed(0))


def settle(module: nn.Module, channels: int, side: int) -> None:
    """Give batch norms the statistics of random images; else numbers shrink to those that processors are slow with."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None  # the mean of all batches, here of one
    with torch.no_grad():
        module.train()(torch.randn(SETTLED, channels, side, side))
    module.eval()


def agreement(predicted: Sequence[float], measured: Sequence[float]) -> dict[str, Any]:
    """Compare predictions: errors in percent of `measured`, Spearman's correlation (None if one does not vary)."""
    from scipy.stats import spearmanr

    errors = [100 * (one - other) / other for one, other in zip(predicted, measured, strict=True)]
    varies = min(len(set(predicted)), len(set(measured))) > 1
    return {
        "mean_absolute_error_percent": statistics.fmean(map(abs, errors)),
        "mean_error_percent": statistics.fmean(errors),
        "largest_error_percent": max(errors, key=abs),
        "rank_correlation": float(spearmanr(predicted, measured).statistic) if varies else None,
    }
