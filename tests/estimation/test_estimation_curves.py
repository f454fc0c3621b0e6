"""Where learning curves end, told from their beginnings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.learning_curves import KINDS, made_up_curve, measure
from nas_steps.estimation.curve_families import courses
from nas_steps.estimation.curves import Prediction, calibrated, extrapolate, worth_going_on

DARTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "darts_curves.csv.gz"
EPOCHS = np.arange(1.0, 101.0)
# table 1 of Domhan et al. 2015, with numbers that no grid holds
TRUTHS = {
    "pow3": 0.9 - 0.6 * EPOCHS**-0.63,
    "pow4": 0.92 - (0.3 * EPOCHS + 1.7) ** -0.9,
    "log_power": 0.85 / (1 + (EPOCHS / np.exp(1.3)) ** -1.1),
    "weibull": 0.88 - (0.88 - 0.1) * np.exp(-((0.07 * EPOCHS) ** 0.83)),
    "janoschek": 0.88 - (0.88 - 0.2) * np.exp(-0.11 * EPOCHS**0.9),
    "exp4": 0.91 - np.exp(-0.2 * EPOCHS**0.77 - 0.4),
    "mmf": 0.9 - (0.9 - 0.12) / (1 + (0.13 * EPOCHS) ** 1.2),
    "hill3": 0.86 * EPOCHS**1.15 / (5.3**1.15 + EPOCHS**1.15),
    "ilog2": 0.95 - 0.33 / np.log(EPOCHS + 1),
    "vapor_pressure": np.exp(-0.15 - 3.7 / EPOCHS + 0.004 * np.log(EPOCHS)),
}


def noisy(noise: float, observed: int = 40, seed: int = 0) -> list[float]:
    return list(TRUTHS["mmf"][:observed] + noise * np.random.default_rng(seed).standard_normal(observed))


def width(found: Prediction) -> float:
    return found.high - found.low


@pytest.mark.parametrize("family", TRUTHS)
def test_a_noiseless_curve_of_each_family_is_continued(family: str) -> None:
    truth = TRUTHS[family]
    found = extrapolate(truth[:40], 100, schedule="constant")
    assert found.mean == pytest.approx(truth[-1], abs=0.01)
    # and is told better than by staying where it is
    assert abs(found.mean - truth[-1]) < abs(truth[39] - truth[-1])


def test_a_cosine_schedule_lifts_the_end_as_it_does() -> None:
    lift = 0.08 * (1 - np.cos(np.pi * EPOCHS / 100)) / 2
    truth = 0.8 - 0.5 * np.exp(-EPOCHS / 6) + lift + 0.01 * np.random.default_rng(0).standard_normal(100)
    found = {
        schedule: extrapolate(truth[:40], 100, schedule=schedule) for schedule in ("unknown", "cosine", "constant")
    }
    assert found["cosine"].mean == pytest.approx(truth[-1], abs=0.03)
    assert found["constant"].mean < found["unknown"].mean < found["cosine"].mean + 0.01
    assert found["unknown"].low < truth[-1] < found["unknown"].high


def test_courses_are_a_probability_distribution() -> None:
    for schedule in ("unknown", "cosine", "constant"):
        found = courses(10, 50, 0.01, schedule)
        assert sum(course.probability for course in found) == pytest.approx(1)


def test_the_interval_grows_with_horizon_and_noise_and_shrinks_with_what_is_seen() -> None:
    by_horizon = [width(extrapolate(noisy(0.01), horizon)) for horizon in (45, 60, 100, 400)]
    assert by_horizon == sorted(by_horizon)
    by_noise = [width(extrapolate(noisy(noise), 100)) for noise in (0.001, 0.01, 0.05)]
    assert by_noise == sorted(by_noise)
    assert width(extrapolate(noisy(0.01, 90), 100)) < width(extrapolate(noisy(0.01, 10), 100))


def test_the_noise_of_the_last_epoch_is_inside_the_interval() -> None:
    found = extrapolate(noisy(0.02, 90), 91, schedule="constant")
    assert width(found) > 2 * 1.5 * 0.02


def test_probability_above_falls_with_the_threshold_and_agrees_with_the_interval() -> None:
    found = extrapolate(noisy(0.01), 100, coverage=0.8)
    chances = [found.probability_above(threshold) for threshold in np.linspace(0, 1, 41)]
    assert chances == sorted(chances, reverse=True)
    assert found.probability_above(-0.1) == 1
    assert found.probability_above(1.0) == 0
    assert found.probability_above(found.low) == pytest.approx(0.9, abs=1e-4)
    assert found.probability_above(found.high) == pytest.approx(0.1, abs=1e-4)
    assert found.low < found.mean < found.high
    with pytest.raises(ValueError, match="threshold is NaN"):
        found.probability_above(float("nan"))


def test_a_training_is_hopeless_only_where_it_hardly_beats_the_incumbent() -> None:
    found = extrapolate(noisy(0.01), 100)
    assert worth_going_on(found, 0.5)
    assert not worth_going_on(found, 0.9999)
    assert worth_going_on(found, 0.9999, threshold=0.0)
    with pytest.raises(ValueError, match="between 0 and 1; given 5"):
        worth_going_on(found, 0.9, threshold=5)


def test_the_same_curve_is_told_the_same_end() -> None:
    first, again = (extrapolate(noisy(0.01), 100) for _ in range(2))
    assert first == again
    assert (first.centres == again.centres).all()


@pytest.mark.parametrize("level", [0.0, 0.1, 0.7, 1.0])
def test_a_flat_curve_is_expected_to_stay_but_not_for_certain(level: float) -> None:
    found = extrapolate([level] * 10, 50)
    assert found.mean == pytest.approx(level, abs=0.05)
    assert found.low <= level <= found.high
    assert level == 1 or found.probability_above(level + 0.01) > 0.05


def test_a_collapsed_training_is_expected_to_stay_down() -> None:
    found = extrapolate([0.3, 0.5, 0.6, 0.65, 0.1, 0.11, 0.1, 0.09, 0.1, 0.1], 50)
    assert found.mean < 0.2
    assert not worth_going_on(found, 0.66)
    # two bad epochs are no collapse
    assert extrapolate([0.3, 0.5, 0.6, 0.65, 0.64, 0.66, 0.65, 0.67, 0.1, 0.11], 50).mean > 0.2


@pytest.mark.parametrize(
    ("curve", "given", "message"),
    [
        ([0.1, 0.2, 0.3], {}, "3 values cannot be extrapolated: at least 4"),
        ([[0.1] * 5] * 5, {}, "at least 4"),
        ([0.1, float("nan"), 0.3, 0.4], {}, "epoch 2 of the curve is nan"),
        ([0.1, 0.2, float("inf"), 0.4], {}, "epoch 3 of the curve is inf"),
        ([10.0, 20.0, 30.0, 40.0], {}, "epoch 1 of the curve is 10; accuracies are shares .*divide % by 100"),
        ([0.1, 0.2, -0.3, 0.4], {}, "epoch 3 of the curve is -0.3"),
        ([0.1, 0.2, 0.3, 0.4], {"horizon": 4}, "horizon, epoch 4, is not beyond the curve, which has 4 epochs"),
        ([0.1, 0.2, 0.3, 0.4], {"coverage": 90}, "between 0 and 1; given 90"),
        ([0.1, 0.2, 0.3, 0.4], {"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'"),
    ],
)
def test_bad_input_is_told_in_words(curve: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extrapolate(curve, **{"horizon": 20, **given})


def test_made_up_curves_end_where_they_are_told_to() -> None:
    """Both schedules, any length and noise: the 90 % intervals hold, errors are below those of staying."""
    for place, kind in enumerate(KINDS[:3]):
        made = [
            made_up_curve(kind, horizon, np.random.default_rng([seed, place, horizon]))
            for horizon in (20, 50, 100, 200, 600)
            for seed in range(8)
        ]
        rows = measure(made, 0.25)
        # 40 curves: three standard errors of a share of 0.9 are 0.14
        assert rows["inside"].mean() >= 0.76
        assert (rows["predicted"] - rows["truth"]).abs().mean() < 0.8 * (rows["last"] - rows["truth"]).abs().mean()


@pytest.mark.skipif(not DARTS.exists(), reason="needs the real curves")
def test_real_curves_are_told_far_better_than_by_their_last_value() -> None:
    curves = list(pd.read_csv(DARTS, index_col=0).to_numpy()[::5] / 100)
    for schedule, part_of_error in (("unknown", 0.5), ("cosine", 0.2)):
        rows = measure(curves, 0.25, schedule)
        error = (rows["predicted"] - rows["truth"]).abs().mean()
        assert error < part_of_error * (rows["last"] - rows["truth"]).abs().mean()
        assert rows["inside"].mean() >= 0.8


def test_it_imports_no_torch() -> None:
    code = "import sys, nas_steps.estimation.curves; sys.exit('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_what_became_of_others_corrects_the_bias_and_sets_the_interval() -> None:
    rng = np.random.default_rng(0)
    found = extrapolate(noisy(0.01), 100)
    inside, count = 0, 400
    for _ in range(count):
        residuals = 0.02 + 0.005 * rng.standard_normal(6)
        corrected = calibrated(found, residuals[:5])
        inside += corrected.low <= found.mean + residuals[5] <= corrected.high
        assert corrected.mean == pytest.approx(found.mean + residuals[:5].mean())
        assert corrected.probability_above(corrected.low) == pytest.approx(0.95, abs=1e-6)
    # binomial around 0.9, three standard deviations
    assert abs(inside / count - 0.9) < 3 * (0.9 * 0.1 / count) ** 0.5


@pytest.mark.parametrize("residuals", [[], [0.1, 0.2], [0.1, float("nan"), 0.2]])
def test_too_few_residuals_are_refused(residuals: list[float]) -> None:
    with pytest.raises(ValueError, match="3 or more residuals are needed"):
        calibrated(extrapolate(noisy(0.01), 100), residuals)
