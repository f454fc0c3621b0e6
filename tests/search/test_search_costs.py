"""The table of costs: what is measured, how it is fitted, what the step writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from stepping import run, settings_files

from nas_steps.config.constraints import Latency
from nas_steps.config.load import load
from nas_steps.config.space import Network, filled
from nas_steps.data.store import SPLITS
from nas_steps.errors import UserError
from nas_steps.models.blocks import modules, whole
from nas_steps.search import block_latency as costs_module
from nas_steps.search.block_latency import fitted, measure, runtime_of
from nas_steps.spaces.cells.costs import BASE
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, read_costs, write_costs
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.protocol import Space

SHAPE = Shape(1, 8, 3)
NETWORK = Network(channels=2, cells=3)
#: two blocks, a stem and a head
BLOCKS = MobileSpace.declare(
    "blocks", {"stem": {"width": 8, "stride": 2}, "stages": [{"width": 8, "kernel": [3, 5]}], "head": {"width": 8}}
)
#: the same at two resolutions; the maps of one are as large behind the first stage as those of the other before
RESIZED = MobileSpace.declare(
    "resized",
    {
        "stem": {"width": 8, "stride": 2},
        "stages": [{"width": 8, "kernel": [3, 5], "stride": [1, 2]}],
        "head": {"width": 8},
        "resolution": [8, 16],
    },
)
CELLS = CellSpace("edges", ("skip_connect", "nor_conv_1x1"), nodes=1)
SPACES: dict[str, Space] = {"mobile": BLOCKS, "resized": RESIZED, "cells": CELLS}


@pytest.fixture(autouse=True)
def few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs_module, "FITTED", 2)
    monkeypatch.setattr(costs_module, "COMPARED", 3)


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_part_has_a_latency(space: Space, runtime: str, capsys: pytest.CaptureFixture[str]) -> None:
    parts = blocks_of(space, NETWORK)
    settings = Latency(runtime=runtime, repeats=2, warmup=0)
    before = torch.get_rng_state()
    latencies, record = measure(space, parts, SHAPE, settings, torch.device("cpu"), seed=0)
    assert torch.equal(before, torch.get_rng_state())
    assert list(latencies) == parts.names()
    assert all(value >= 0 for value in latencies.values())
    assert sum(latencies.values()) > 0
    assert record["runtime"] == runtime
    networks = record["validation"]["networks"]
    assert len(networks) == 3
    for one in networks:
        total = sum(latencies[name] for name in parts.of(space.parse(one["architecture"])))
        assert one["predicted_ms"] == pytest.approx(total)
        assert one["measured_ms"] > 0
    printed = capsys.readouterr().out
    assert f"{record['modules']} different modules" in printed
    assert "predicted against measured: mean absolute error" in printed


@pytest.mark.parametrize("space", [BLOCKS, RESIZED], ids=["mobile", "resized"])
def test_parts_in_a_row_compute_what_the_network_computes(space: MobileSpace) -> None:
    architecture = space.largest()
    parts = blocks_of(space)
    network = whole(parts, architecture, SHAPE).eval()
    rows = [module for name in parts.of(architecture) for module in modules(parts, name, SHAPE)]
    x = torch.randn(2, 1, 8, 8)
    built = [row.build().eval() for row in rows]
    ours = [tensor for one in built for tensor in one.state_dict().values()]
    theirs = list(network.state_dict().values())
    assert [tensor.shape for tensor in ours] == [tensor.shape for tensor in theirs]
    for tensor, other in zip(ours, theirs, strict=True):
        tensor.copy_(other)
    expected = network(x)
    for row, one in zip(rows, built, strict=True):
        assert x.shape[1:] == (row.channels, row.side, row.side)
        x = one(x)
    assert torch.equal(x, expected)


def test_blocks_of_two_resolutions_are_measured_once_if_their_maps_are_equally_large() -> None:
    parts = blocks_of(RESIZED)
    placed = {name: modules(parts, name, SHAPE) for name in parts.names()}
    keys = {name: one.key for name, (one,) in placed.items()}
    assert keys["i8-head-c8@2"] == keys["i16-head-c8@4"] != keys["i16-head-c8@2"]
    assert keys["i8-stem"] != keys["i16-stem"]
    for one in (one for several in placed.values() for one in several):
        same = [other for several in placed.values() for other in several if other.key == one.key]
        assert {(other.channels, other.side, str(other.build())) for other in same} == {
            (one.channels, one.side, str(one.build()))
        }


def test_edges_are_placed_as_in_the_network() -> None:
    parts = blocks_of(CELLS, NETWORK)
    architecture = CELLS.made(_all("nor_conv_1x1"))
    network = whole(parts, architecture, Shape(1, 9, 3)).eval()
    seen: list[tuple[int, int, int]] = []
    for module in network.modules():
        if type(module).__name__ == "Nodes":
            for node in module:  # type: ignore[attr-defined]
                for edge in node:
                    edge.register_forward_hook(
                        lambda made, given, _: seen.append((given[0].shape[1], given[0].shape[2], made[1].stride[0]))
                    )
    network(torch.randn(1, 1, 9, 9))
    names = parts.of(architecture)[1:]
    # a name stands for the edge in all cells of its kind; each of its two edges is one of the name's places
    placed = [place for name in names for place in parts.placed(name, Shape(1, 9, 3))]  # type: ignore[attr-defined]
    assert sorted(place[1:] for place in placed) == sorted(seen)


def _all(operation: str) -> dict[str, tuple[tuple[tuple[str, int], ...], ...]]:
    return dict.fromkeys(CELLS.kinds, (((operation, 0), (operation, 1)),))


def test_mobile_parts_are_fitted_by_a_factor() -> None:
    # what is measured alone is called each time, a network once: 0.5 ms
    found = fitted({"stem": 1.0, "block": 2.0}, [3.0, 5.0, 7.0], [7.0, 11.0, 99.0], call=0.5)
    assert found["block"] == pytest.approx(4.0)
    assert found["stem"] + found["block"] == pytest.approx(7.0)
    # each network has one of the stems
    both = fitted({"i8-stem": 1.0, "i8-block": 2.0, "i16-stem": 1.0}, [3.0, 5.0], [7.0, 11.0], call=0.5)
    assert both["i8-stem"] == both["i16-stem"] == pytest.approx(found["stem"])


def test_cells_are_fitted_by_a_line_whose_constant_is_the_base() -> None:
    found = fitted({BASE: 0.0, "edge": 2.0}, [2.0, 4.0, 6.0], [8.0, 11.0, 14.0], call=0.5)
    assert found == pytest.approx({BASE: 5.0, "edge": 3.0})
    # noise may turn the line
    turned = fitted({BASE: 0.0, "edge": 2.0}, [2.0, 4.0], [8.0, 6.0], call=0.5)
    assert turned == pytest.approx({BASE: 4.0, "edge": 2.0})
    assert fitted({BASE: 0.0, "edge": 2.0}, [2.0, 2.0], [8.0, 6.0], call=0.5)[BASE] == pytest.approx(5.0)


def test_auto_is_onnxruntime_on_a_cpu_and_torch_on_a_gpu() -> None:
    assert runtime_of(Latency(), torch.device("cpu")) == "onnxruntime"
    assert runtime_of(Latency(), torch.device("cuda", 0)) == "torch"
    assert runtime_of(Latency(runtime="onnxruntime"), torch.device("cuda", 0)) == "onnxruntime"


@pytest.mark.parametrize("constraints", [{"macs": 1e9}, {"latency_ms": 100, "latency": {"repeats": 2, "warmup": 0}}])
def test_the_step_writes_the_table_and_measures_only_what_is_asked_for(
    tmp_path: Path, constraints: dict[str, object]
) -> None:
    stages = [{"width": 8, "kernel": [3, 5]}]
    raw = {
        "device": "cpu",
        "space": {"preset": "mobile_small", "stages": stages},
        "search": {"constraints": constraints, "strategies": {"random": {"evaluations": 2}}},
        "ranking": {"uniform": 0},
    }
    config = load(raw)
    files = settings_files(config, tmp_path / "results")
    meta = {
        "classes": ["a", "b", "c"],
        "counts": {split: {"a": 1} for split in SPLITS},
        "shape": [1, 8, 8],
        "mean": [0.5],
        "std": [0.2],
        "content": "",
        "checksums": {f"{split}_{what}.npy": "" for split in SPLITS for what in ("images", "labels")},
    }
    (tmp_path / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    folder = tmp_path / "search"
    run("measure_blocks", settings=files["measure_blocks"], data=tmp_path, device="cpu", output=folder)
    space = declared(filled(config.space))
    table = read_costs(folder / "blocks.csv", blocks_of(space))
    record = json.loads((folder / "latency.json").read_text(encoding="utf-8"))
    assert (record["inputs"], record["side"], record["classes"]) == (1, 8, 3)
    assert table.has_latency == ("latency_ms" in constraints) == ("validation" in record)
    assert json.loads((folder / "blocks.cost.json").read_text(encoding="utf-8"))["step"] == "measure_blocks"


def test_a_latency_that_no_network_keeps_is_refused_before_anything_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = [{"width": 8, "kernel": [3, 5]}]
    raw = {
        "space": {"preset": "mobile_small", "stages": stages},
        "search": {"constraints": {"latency_ms": 0.001}, "strategies": {"random": {"evaluations": 2}}},
        "ranking": {"uniform": 0},
    }
    config = load(raw)
    files, space = settings_files(config, tmp_path / "results"), declared(filled(config.space))
    blocks = blocks_of(space)
    write_costs(tmp_path / "blocks.csv", blocks, Shape(1, 8, 10), dict.fromkeys(blocks.names(), 1.0))
    meta = {"classes": list("0123456789"), "counts": {split: {"0": 1} for split in SPLITS}, "shape": [1, 8, 8],
            "mean": [0.5], "std": [0.2], "content": "",
            "checksums": {f"{split}_{what}.npy": "" for split in SPLITS for what in ("images", "labels")}}  # fmt: skip
    (tmp_path / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    given = {"settings": files["profile_space"], "data": tmp_path, "blocks": tmp_path / "blocks.csv"}
    with pytest.raises(UserError, match=r"constraints.latency_ms is 0.001, but the smallest .* has 3 ms"):
        run("profile_space", **given, output=tmp_path / "search")
    assert "ms: 3, " in capsys.readouterr().out
