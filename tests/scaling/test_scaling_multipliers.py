"""Compute multipliers: known curves give known multipliers, and intervals are as wide as the noise says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.rungs_errors import Cell, one_run
from nas_steps.scaling.isoflop import Fit, Floats, Point, fit_parabolas
from nas_steps.scaling.multipliers import FARTHEST, changes, compare, fit_law, log_multipliers

COMPUTE = np.log(1e12 * np.array([1.0, 4.0, 16.0]))


def curve(worth: float, power: float = 0.15, floor: float = 0.8) -> Floats:
    """Losses of a network that is worth `worth` times the compute of the first: 1.5 at the first rung."""
    return floor + 0.7 * np.exp(-power * (COMPUTE - COMPUTE[0] + math.log(worth)))


def test_the_law_of_exact_curves_is_found() -> None:
    law = fit_law(np.stack([curve(1.0), curve(2.0)]), COMPUTE)
    # E is one of a few tried values
    assert law.floor == pytest.approx(0.8, abs=0.05)
    assert law.power == pytest.approx([0.15, 0.15], abs=0.02)


def test_many_curves_at_once_give_the_laws_of_each() -> None:
    one, other = np.stack([curve(1.0), curve(2.0)]), np.stack([curve(1.0, 0.3), curve(1.0, 0.1)])
    both = fit_law(np.stack([one, other]), COMPUTE)
    for place, losses in enumerate((one, other)):
        alone = fit_law(losses, COMPUTE)
        assert both.floor[place] == alone.floor
        assert both.power[place] == pytest.approx(alone.power)


@pytest.mark.parametrize("worth", [0.5, 1.0, 1.25, 3.0])
def test_a_network_that_is_worth_more_compute_needs_less(worth: float) -> None:
    losses = np.stack([curve(worth), curve(1.0)])
    found = np.exp(log_multipliers(losses, fit_law(losses, COMPUTE), [0], [1]))
    assert found[0, 0] == pytest.approx([1 / worth] * 3, rel=0.02)


def test_a_change_is_that_from_the_first_rung_to_the_last() -> None:
    assert changes(np.log([0.5, 0.6, 0.9]), COMPUTE) == pytest.approx(math.log(0.9 / 0.5))
    assert changes(np.log([0.7, 0.1, 0.7]), COMPUTE) == pytest.approx(0)


def test_a_curve_that_does_not_fall_never_reaches_a_better_loss() -> None:
    losses = np.stack([np.array([1.5, 1.5, 1.51]), curve(1.0)])
    found = log_multipliers(losses, fit_law(losses, COMPUTE), [0], [1])
    assert found[0, 0, 1:] == pytest.approx(FARTHEST)


def fitted(noise: float, seeds: int = 1, networks: int = 3) -> Fit:
    generator, points = np.random.default_rng(3), []
    for network in range(networks):
        for rung, loss in enumerate(curve(1.0 + 0.3 * network)):
            for size in (1.0, 1.5, 2.0):
                losses = loss + 0.03 * (size - 1.6) ** 2 + noise * generator.standard_normal(seeds)
                points.append(Point(network, rung, size, tuple(losses.tolist())))
    return fit_parabolas(points, networks, 3)


def test_intervals_hold_the_estimate_and_grow_with_the_noise() -> None:
    small, large = (compare(fitted(noise), COMPUTE, [0], [1, 2], seed=1) for noise in (0.001, 0.01))
    for found in (small, large):
        for one in found.multipliers:
            assert all(figure.low < figure.value < figure.high for figure in (*one.rungs, one.change))
    widths = [
        math.log(found.multipliers[0].rungs[1].high / found.multipliers[0].rungs[1].low) for found in (small, large)
    ]
    assert widths[1] > 5 * widths[0]


def test_the_same_seed_draws_the_same_intervals() -> None:
    first, again, other = (compare(fitted(0.01), COMPUTE, [0], [1], seed=seed, draws=200) for seed in (1, 1, 2))
    assert first.multipliers == again.multipliers
    assert first.multipliers != other.multipliers


def test_without_a_degree_of_freedom_there_is_no_interval() -> None:
    fit = fitted(0.0, networks=2)
    assert fit.degrees == 3
    alone = fitted(0.0, networks=1)
    assert alone.degrees == 0
    found = compare(alone, COMPUTE, [0], [0], seed=0)
    (one,) = found.multipliers
    assert one.rungs[0].value == pytest.approx(1)
    assert math.isnan(one.rungs[0].low)
    assert math.isnan(one.p_holm)


def test_intervals_cover_what_they_promise_and_equal_curves_change_rarely() -> None:
    table = np.array([one_run(Cell("equal", 0.01, 3, 1, 2), run) for run in range(80)])
    covers, _, change_covers, _, any_change, wins, time_covers, gain_covers = table.mean(axis=0)
    # 95 %, within four standard errors of 80 runs
    assert covers > 0.85
    assert change_covers > 0.85
    assert time_covers > 0.85
    assert gain_covers > 0.85
    assert any_change < 0.15
    assert wins < 0.15


def test_a_strong_change_is_seen() -> None:
    table = np.array([one_run(Cell("converging", 0.005, 4, 3, 2), run) for run in range(20)])
    assert table[:, 3].mean() > 0.8
