"""Expected calibration error, and the temperature that lowers the cross-entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nas_steps.calibration import calibration_error, confidences, cross_entropy, temperature


def test_the_error_is_the_mean_gap_of_bins_of_one_size() -> None:
    confidence = np.array([0.9, 0.6, 0.8, 0.5], np.float32)
    right = np.array([True, False, True, True])
    # sorted: 0.5 right, 0.6 wrong; 0.8 right, 0.9 right
    assert calibration_error(confidence, right, bins=2) == pytest.approx((abs(0.55 - 0.5) + abs(0.85 - 1)) / 2)
    assert calibration_error(confidence, right, bins=1) == pytest.approx(abs(0.7 - 0.75))
    assert calibration_error(confidence, right) == pytest.approx((0.1 + 0.6 + 0.2 + 0.5) / 4)
    assert math.isnan(calibration_error(confidence[:0], right[:0]))


def overconfident(heat: float, images: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `heat` times those of the labels' distribution."""
    dice = np.random.default_rng(0)
    true = dice.normal(size=(images, 4)) * 2
    chances = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    labels = (np.cumsum(chances, 1) < dice.random((images, 1))).sum(1)
    return (heat * true).astype(np.float32), labels


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_the_logits_too_sharp_or_too_flat(heat: float) -> None:
    logits, labels = overconfident(heat)
    found = temperature(logits, labels)
    assert found == pytest.approx(heat, rel=0.1)
    for other in (0.9 * found, 1.1 * found):
        assert cross_entropy(logits, labels, found) < cross_entropy(logits, labels, other)


def test_probabilities_of_the_right_temperature_are_calibrated() -> None:
    logits, labels = overconfident(3.0)
    right = logits.argmax(1) == labels
    before, after = (calibration_error(confidences(logits, heat), right) for heat in (1.0, 3.0))
    assert after < 0.03 < 0.1 < before


def test_without_images_the_temperature_is_1() -> None:
    assert temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1.0
