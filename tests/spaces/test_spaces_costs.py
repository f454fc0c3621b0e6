"""What architectures cost, as sums of what their parts cost."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from limited_spaces import MOBILE, SHAPE, SKELETON, SPACES, table
from published import efficientnet

from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import size
from nas_steps.spaces.cells import presets as cells
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import CONSTRAINED, Shape, counted, read_costs, write_costs
from nas_steps.spaces.mobile import presets as mobile
from nas_steps.spaces.mobile.efficientnet import PUBLISHED
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.protocol import Space, members

ALL: dict[str, Space] = {**mobile.PRESETS, **cells.PRESETS, **SPACES}


def assert_exact(space: Space, network: Network, shape: Shape, architecture: object) -> None:
    found = counted(blocks_of(space, network), shape).costs(architecture)
    expected = size(str(architecture), network, inputs=shape.inputs, classes=shape.classes, side=shape.side)
    assert (found.parameters, found.macs) == (expected.parameters, expected.macs), str(architecture)


@pytest.mark.parametrize("space", ALL.values(), ids=ALL)
def test_parameters_and_macs_are_those_of_the_network_to_the_unit(space: Space) -> None:
    # an odd side is rounded up at each stride
    for seed, shape in enumerate((SHAPE, Shape(1, 32, 10))):
        assert_exact(space, Network(channels=5, cells=4), shape, space.sample(Random(seed)))


@pytest.mark.parametrize("name", ["small", "s1"])
def test_reductions_may_stand_anywhere_and_the_stem_have_any_width(name: str) -> None:
    network = Network(channels=6, cells=5, stem_multiplier=2, reductions=[0, 3])
    space = cells.PRESETS[name]
    assert_exact(space, network, SHAPE, space.sample(Random(1)))


def test_an_output_of_some_nodes_is_narrower() -> None:
    space = cells.PRESETS["small"].replace(concat=(1,))
    assert_exact(space, SKELETON, SHAPE, space.sample(Random(0)))


@pytest.mark.parametrize("name", [*PUBLISHED][:4:3])
def test_efficientnets_of_different_widths_are_counted_as_built(name: str) -> None:
    text = str(efficientnet(name))
    stages = [
        {
            "by": "stage",
            "width": stage[0].width,
            "depth": [len(stage), len(stage) + 1],
            "stride": stage[0].stride,
            "operations": [str(stage[0].operation)],
        }
        for stage in efficientnet(name).stages
    ]
    stem, head = efficientnet(name).stem, efficientnet(name).head
    space = MobileSpace.declare(
        name, {"stem": {"width": stem.width}, "stages": stages, "head": {"width": head.width, "dropout": head.dropout}}
    )
    assert_exact(space, SKELETON, Shape(3, 64, 10), space.parse(text))


@pytest.mark.parametrize("what", CONSTRAINED)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_smallest_architecture_is_the_smallest_of_all(space: Space, what: str) -> None:
    costs = table(space)
    smallest = min(getattr(costs.costs(one), what) for one in members(space))
    found = costs.smallest(what)
    assert space.parse(str(found)) == found
    assert getattr(costs.costs(found), what) == pytest.approx(smallest, rel=1e-12)


@pytest.mark.parametrize("what", CONSTRAINED)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_largest_architecture_is_the_largest_of_all(space: Space, what: str) -> None:
    costs = table(space)
    largest = max(getattr(costs.costs(one), what) for one in members(space))
    assert getattr(costs.costs(costs.largest(what)), what) == pytest.approx(largest, rel=1e-12)


@pytest.mark.parametrize(
    "weights",
    [
        {"parameters": 1e-3, "latency_ms": 1.0},
        {"memory_mb": 10.0, "latency_ms": 1.0},
        {"memory_mb": 100.0, "macs": 1e-5, "file_mb": 3.0},
    ],
    ids=["sums", "memory and latency", "memory, macs and file"],
)
def test_the_cheapest_by_a_weighted_sum_is_the_cheapest_of_all(weights: dict[str, float]) -> None:
    costs = table(MOBILE)

    def price(one: object) -> float:
        return sum(weight * getattr(costs.costs(one), what) for what, weight in weights.items())

    assert price(costs.cheapest(weights)) == pytest.approx(min(map(price, members(MOBILE))))


@pytest.mark.parametrize("space", ALL.values(), ids=ALL)
def test_a_space_has_all_parts_of_its_architectures(space: Space) -> None:
    parts = blocks_of(space)
    names = parts.names()
    assert len(set(names)) == len(names)
    assert {name for seed in range(40) for name in parts.of(space.sample(Random(seed)))} <= set(names)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    parts = blocks_of(MOBILE)
    latencies = {name: Random(name).random() for name in parts.names()}
    write_costs(tmp_path / "blocks.csv", parts, SHAPE, latencies)
    read = read_costs(tmp_path / "blocks.csv", parts)
    assert read.has_latency
    one = MOBILE.sample(Random(0))
    assert read.costs(one)[:2] == counted(parts, SHAPE).costs(one)[:2]
    assert read.costs(one).latency_ms == pytest.approx(sum(latencies[name] for name in parts.of(one)))
    write_costs(tmp_path / "blocks.csv", parts, SHAPE, {})
    assert not read_costs(tmp_path / "blocks.csv", parts).has_latency


def test_a_table_of_another_space_is_refused(tmp_path: Path) -> None:
    write_costs(tmp_path / "blocks.csv", blocks_of(MOBILE), SHAPE, {})
    with pytest.raises(UserError, match="is the table of another space"):
        read_costs(tmp_path / "blocks.csv", blocks_of(mobile.PRESETS["mobile_small"]))
