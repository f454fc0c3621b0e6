"""Parabolas of losses in log size: exact ones are found exactly, and what no data show is NaN."""

from __future__ import annotations

import numpy as np
import pytest

from nas_steps.scaling.isoflop import Fit, Point, fit_parabolas

SIZES = (1.0, 1.5, 2.0)


def points(
    best: dict[tuple[int, int], float], sizes: tuple[float, ...] = SIZES, *, loss: float = 1.5, curvature: float = 0.3
) -> list[Point]:
    """Exact parabolas with the lowest points `best` by network and rung; the loss there is `loss` plus the network."""
    return [
        Point(network, rung, size, (loss + network + curvature * (size - lowest) ** 2,))
        for (network, rung), lowest in best.items()
        for size in sizes
    ]


def test_exact_parabolas_are_found_exactly() -> None:
    fit = fit_parabolas(points({(0, 0): 1.4, (1, 0): 1.7}), 2, 1)
    size, loss = fit.parabolas.best()
    assert size[:, 0] == pytest.approx([1.4, 1.7])
    assert loss[:, 0] == pytest.approx([1.5, 2.5])
    assert fit.parabolas.curvature == pytest.approx([0.3])
    assert fit.noise == pytest.approx(0, abs=1e-9)
    assert fit.degrees == 1  # six losses, five numbers


def test_outside_the_tried_sizes_the_best_tried_one_is_taken() -> None:
    fit = fit_parabolas(points({(0, 0): 0.2, (1, 0): 3.0}), 2, 1)
    size, loss = fit.parabolas.best()
    assert fit.parabolas.turning()[:, 0] == pytest.approx([0.2, 3.0])
    assert size[:, 0] == pytest.approx([1.0, 2.0])
    assert loss[:, 0] == pytest.approx([1.5 + 0.3 * 0.8**2, 2.5 + 0.3 * 1.0**2])


@pytest.mark.parametrize(("best", "end"), [(1.6, 1.0), (1.4, 2.0)])
def test_a_parabola_that_opens_downwards_is_lowest_at_an_end(best: float, end: float) -> None:
    fit = fit_parabolas(points({(0, 0): best}, curvature=-0.3), 1, 1)
    size, loss = fit.parabolas.best()
    assert np.isinf(fit.parabolas.turning()[0, 0])
    assert size[0, 0] == pytest.approx(end)
    assert loss[0, 0] == pytest.approx(1.5 - 0.3 * (end - best) ** 2)


def test_a_network_of_two_sizes_takes_the_curvature_of_the_others() -> None:
    both = points({(0, 0): 1.4, (1, 0): 1.2})
    fit = fit_parabolas([one for one in both if one.network == 0 or one.log_size < 2], 2, 1)
    assert fit.parabolas.best()[1][:, 0] == pytest.approx([1.5, 2.5])
    assert fit.parabolas.high[1, 0] == 1.5
    assert fit.degrees == 0


def test_a_network_of_one_size_has_no_parabola_and_disturbs_no_other() -> None:
    both = points({(0, 0): 1.4, (1, 0): 1.7})
    fit = fit_parabolas([one for one in both if one.network == 0 or one.log_size == 1], 2, 1)
    assert np.isnan(fit.parabolas.best()[1][1, 0])
    assert fit.parabolas.best()[1][0, 0] == pytest.approx(1.5)


def test_two_sizes_of_every_network_show_no_curvature() -> None:
    fit = fit_parabolas(points({(0, 0): 1.4, (1, 0): 1.7}, sizes=(1.0, 2.0)), 2, 1)
    assert np.isnan(fit.parabolas.curvature).all()
    assert np.isnan(fit.parabolas.best()[1]).all()


def with_seeds(spread: float, off: float = 0.0) -> Fit:
    """Three networks at four sizes; two seeds differ by `spread`, and one size of each network is `off`."""
    made = []
    for network in range(3):
        for place, size in enumerate((1.0, 1.3, 1.7, 2.0)):
            mean = 1.5 + 0.3 * (size - 1.5) ** 2 + off * (place == 1)
            made.append(Point(network, 0, size, (mean - spread / 2, mean + spread / 2)))
    return fit_parabolas(made, 3, 1)


def test_the_noise_of_seeds_and_of_sizes_is_pooled() -> None:
    fit = with_seeds(0.02)
    # 12 pairs of seeds, each with one degree of freedom and a sum of squares of 2 * 0.01^2; 12 means, 7 numbers
    assert fit.degrees == 12 + 5
    assert fit.noise == pytest.approx(np.sqrt(12 * 2 * 0.01**2 / 17))


def test_sizes_that_differ_by_more_than_seeds_count_alone() -> None:
    fit = with_seeds(0.02, off=0.1)
    assert fit.degrees == 5
    assert fit.noise > 0.04


def test_draws_have_the_errors_of_least_squares() -> None:
    fit = with_seeds(0.02)
    drawn = fit.draws(20_000, np.random.default_rng(0))
    away = np.array([1.0, 1.3, 1.7, 2.0]) - 1.5
    design = np.kron(np.eye(3), np.stack([np.ones(4), away], axis=1))
    design = np.hstack([design, np.tile(away**2, 3)[:, None]])
    covariance = fit.noise**2 / 2 * np.linalg.inv(design.T @ design)
    t_variance = fit.degrees / (fit.degrees - 2)
    assert drawn.level.shape == (20_000, 3, 1)
    assert drawn.level[:, 0, 0].std() == pytest.approx(np.sqrt(covariance[0, 0] * t_variance), rel=0.03)
    assert drawn.slope[:, 0, 0].std() == pytest.approx(np.sqrt(covariance[1, 1] * t_variance), rel=0.03)
    assert drawn.curvature[:, 0].std() == pytest.approx(np.sqrt(covariance[-1, -1] * t_variance), rel=0.03)
    assert drawn.level[:, 0, 0].mean() == pytest.approx(fit.parabolas.level[0, 0], abs=1e-3)
