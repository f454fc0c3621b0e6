"""Designs and how they are scaled: rounding, strides, and the search for a number of MACs."""

from __future__ import annotations

import pytest
from tiny_world import MIXED

from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import size
from nas_steps.scaling.compound import Design, Factors, scale, solve
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0

STAGED = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|skip_connect~2|"
MOBILE = "stem_k3_c16_relu/mb_k3_e2_c16/mb_r2_k3_s2_e2_c24_se0.25/mb_k5_s2_e4_c48/head_c192"


def cells(network: Network, factors: Factors, side: int = 8, divisor: int | None = 4) -> Network:
    return scale(Design(MIXED, network, side), factors, divisor).network


def measure(design: Design) -> tuple[int, int]:
    found = size(design.architecture, design.network, inputs=3, classes=10, side=design.side)
    return found.parameters, found.macs


@pytest.mark.parametrize(("number", "depth", "expected"), [(5, 1.2, 6), (5, 1.21, 7), (3, 1.0, 3), (10, 1.1, 11)])
def test_cells_are_rounded_up_but_not_by_a_hair(number: int, depth: float, expected: int) -> None:
    assert cells(Network(cells=number), Factors(depth, 1, 1)).cells == expected


def test_channels_are_a_multiple_and_never_below_nine_tenths() -> None:
    for channels in range(1, 60):
        for width in (1.05, 1.1, 1.21, 1.4, 2.0):
            found = cells(Network(channels=channels), Factors(1, width, 1), divisor=8).channels
            assert found % 8 == 0
            assert 0.9 * channels * width <= found
            assert found <= max(8, channels * width + 8)
    # 11.2 would be rounded to 8, which is less than nine tenths of it
    assert cells(Network(channels=8), Factors(1, 1.4, 1), divisor=8).channels == 16


@pytest.mark.parametrize("architecture", [MIXED, STAGED, MOBILE, "resnet20_x0.7"])
def test_factors_of_one_change_nothing(architecture: str) -> None:
    base = Design(architecture, Network(channels=7, cells=5), 9)
    assert scale(base, Factors(1, 1, 1), 4) == base
    assert scale(base, Factors(1, 1, 1.15), 4).side == 10


@pytest.mark.parametrize("name", [MOBILE.replace("stem_k3_c16", "stem_k3_c16_i{}"), "mobilenet_v2_x0.5_r{}"])
def test_a_network_that_resizes_its_images_grows_by_the_side_that_it_resizes_them_to(name: str) -> None:
    base = Design(name.format(64), Network(), 72)
    found = scale(base, Factors(1, 1, 1.25), 8)
    assert (found.architecture, found.side) == (name.format(80), 72)
    assert measure(found)[1] > 1.4 * measure(base)[1]
    # images smaller than the strides are no obstacle
    assert scale(Design(name.format(64), Network(), 4), Factors(1, 1, 1), 8).side == 4
    with pytest.raises(UserError):
        scale(base, Factors(1, 1, 0.04), 8)


def test_declared_reductions_keep_their_place_in_proportion() -> None:
    network = Network(cells=8, reductions=[2, 5])
    for depth, number, reductions in ((1.0, 8, [2, 5]), (1.5, 12, [3, 7]), (2.0, 16, [4, 10])):
        found = cells(network, Factors(depth, 1, 1))
        assert (found.cells, found.reductions) == (number, reductions)


@pytest.mark.parametrize("architecture", [MIXED, STAGED, MOBILE, "resnet20", "resnet20_x0.5_d1.5"])
def test_every_family_grows_in_depth_width_and_resolution(architecture: str) -> None:
    base = Design(architecture, Network(channels=8, cells=3), 16)
    before = measure(base)[1]
    for factors in (Factors(1.5, 1, 1), Factors(1, 1.5, 1), Factors(1, 1, 1.5)):
        assert 1.15 < measure(scale(base, factors))[1] / before < 2.7


def test_layers_of_each_stage_grow_and_channels_are_multiples() -> None:
    found = parse_mobile(scale(Design(MOBILE, Network(), 16), Factors(1.5, 1.5, 1)).architecture)
    assert [len(stage) for stage in found.stages] == [2, 3, 2]
    assert [stage[-1].width for stage in found.stages] == [24, 40, 72]
    finer = parse_mobile(scale(Design(MOBILE, Network(), 16), Factors(1, 1.1, 1), 1).architecture)
    assert [stage[-1].width for stage in finer.stages] == [18, 26, 53]


def test_a_side_below_the_stride_is_refused() -> None:
    with pytest.raises(UserError, match="by 32, but they have 16 pixels"):
        scale(Design(B0, Network(), 16), Factors(1, 1, 1))
    with pytest.raises(UserError, match="by 8, but they have 4"):
        scale(Design(MIXED, Network(cells=6, reductions=[1, 3, 5]), 4), Factors(1, 1, 1))


def test_what_cannot_be_scaled_so_far_says_so() -> None:
    with pytest.raises(UserError, match="cannot be scaled so far.*at most 8"):
        scale(Design("resnet20", Network(), 8), Factors(1, 9, 1))


@pytest.mark.parametrize("architecture", [MOBILE, "resnet20_x0.5", MIXED])
def test_the_solved_design_is_the_nearest_that_rounding_allows(architecture: str) -> None:
    base = Design(architecture, Network(channels=8, cells=3), 16)
    target = 3 * measure(base)[1]
    found = solve(base, lambda times: Factors(1, times**0.5, 1), target, measure, 1)
    assert (found.parameters, found.macs) == measure(found.design)
    grid = [scale(base, Factors(1, 1.5 + step / 100, 1), 1) for step in range(0, 60, 2)]
    nearest = min(abs(measure(design)[1] - target) for design in grid)
    assert abs(found.macs - target) <= max(nearest, 0.002 * target)


def test_a_target_below_the_base_is_found_by_a_narrower_one() -> None:
    base = Design(MOBILE, Network(), 16)
    target = round(measure(base)[1] / 2)
    found = solve(base, lambda times: Factors(1, times**0.5, 1), target, measure, 1)
    assert 0.9 < found.macs / target < 1.1
    assert found.factors.width < 1


def test_a_target_out_of_reach_is_seen_in_the_macs() -> None:
    base = Design("resnet20", Network(), 8)
    # its width cannot go beyond 8
    found = solve(base, lambda times: Factors(1, times**0.5, 1), 10**12, measure)
    assert found.macs < 10**11
    assert found.factors.width > 7
