"""Forward passes are timed; how good predictions are is told."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nas_steps.models.cells.operations import build_operation
from nas_steps.models.latency import LEAD, agreement, medians, onnxruntime_pass, settle, torch_pass
from nas_steps.spaces.cells.operations import OPERATIONS


def test_the_median_ignores_warm_up_and_what_interrupts_a_few() -> None:
    calls = []

    def passes(name: str, base: float):  # type: ignore[no-untyped-def]
        def run() -> float:
            calls.append(name)
            turn = (calls.count(name) - 1) // (LEAD + 1)
            last = calls.count(name) % (LEAD + 1) == 0
            # slow while it warms up, in the passes that lead, and once in between
            return base if last and turn >= 2 and turn != 4 else 1000.0

        return run

    assert medians([passes("a", 1.0), passes("b", 2.0)], repeats=5, warmup=2) == [1.0, 2.0]
    # in turns, not one after the other
    assert calls == (["a"] * (LEAD + 1) + ["b"] * (LEAD + 1)) * 7


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_operation_is_timed_by_both_runtimes(operation: str, stride: int) -> None:
    module = build_operation(operation, 4, stride)
    settle(module, 4, 5)
    image = torch.randn(2, 4, 5, 5)
    for one in (onnxruntime_pass(module, image, 1), torch_pass(module, image, torch.device("cpu"))):
        assert 0 < one() < 10_000


def test_settled_networks_keep_the_size_of_their_numbers() -> None:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(40)]
    for layer in layers:
        nn.init.normal_(layer[0].weight, std=0.01)  # type: ignore[arg-type]
    network = nn.Sequential(*layers).eval()
    image = torch.randn(1, 8, 6, 6)
    with torch.no_grad():
        assert float(network(image).abs().max()) < 1e-30
        settle(network, 8, 6)
        assert not network.training
        assert 0.01 < float(network(image).std()) < 10


def test_agreement_is_in_percent_of_what_was_measured() -> None:
    found = agreement([1.1, 1.8, 4.0], [1.0, 2.0, 4.0])
    assert found["mean_absolute_error_percent"] == pytest.approx(20 / 3)
    assert found["mean_error_percent"] == pytest.approx(0, abs=1e-9)
    assert abs(found["largest_error_percent"]) == pytest.approx(10)
    assert found["rank_correlation"] == pytest.approx(1)
    assert agreement([3.0, 2.0], [1.0, 2.0])["rank_correlation"] == pytest.approx(-1)
    assert agreement([1.0, 1.0], [1.0, 2.0])["rank_correlation"] is None
    assert not math.isnan(agreement([1.0, 1.0], [1.0, 2.0])["mean_error_percent"])
